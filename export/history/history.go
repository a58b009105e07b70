package history

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"slices"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"

	"visor/handler"
)

// Config configures a Store. Path is required.
type Config struct {
	Path string // the file; it is made if missing, in a directory that exists
	// MaxBytes bounds the file, except while it is compacted; 0 means 2 GiB. The minutes of two
	// hours stay in any case; see Stats.Over.
	MaxBytes int64
	Keep     Keep         // how long records are kept
	Pending  int          // bytes of periods that may wait for the disk; 0 means 32 MiB
	Owner    string       // names this process in the errors of others: "visord at http://..."
	Logger   *slog.Logger // called when periods are lost, or writing fails or resumes; may be nil
}

// Keep is the time for which each tier keeps records. A tier must not keep them longer than the
// next one.
type Keep struct {
	Minute time.Duration // 0 means 48 hours
	Hour   time.Duration // 0 means 30 days
	Day    time.Duration // 0 means 2 years
}

func (k Keep) of(t tier) time.Duration { return [...]time.Duration{k.Minute, k.Hour, k.Day}[t] }

func (c Config) withDefaults() (Config, error) {
	const day = 24 * time.Hour
	c.MaxBytes = cmp.Or(c.MaxBytes, 2<<30)
	c.Keep.Minute = cmp.Or(c.Keep.Minute, 2*day)
	c.Keep.Hour = cmp.Or(c.Keep.Hour, 30*day)
	c.Keep.Day = cmp.Or(c.Keep.Day, 2*365*day)
	c.Pending = cmp.Or(c.Pending, 32<<20)
	c.Owner = cmp.Or(c.Owner, fmt.Sprintf("%s (process %d)", os.Args[0], os.Getpid()))
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	switch {
	case c.Path == "":
		return c, errors.New("history: Config.Path is required")
	case c.MaxBytes < 0 || c.Pending < 0:
		return c, errors.New("history: Config.MaxBytes and Config.Pending must not be negative")
	case c.Keep.Minute < 0 || c.Keep.Hour < c.Keep.Minute || c.Keep.Day < c.Keep.Hour:
		return c, fmt.Errorf("history: a tier must not keep records longer than the next one, as with %v, %v, %v", c.Keep.Minute, c.Keep.Hour, c.Keep.Day)
	}
	return c, nil
}

var errAway = errors.New("history: the file cannot be read now")

// ErrUnknownPolicy is the error of a question about a policy without records.
var ErrUnknownPolicy = errors.New("history: no records of the policy")

// Store is a history in a file. It is safe for concurrent use.
type Store struct {
	cfg   Config
	codec codec
	open  holder
	more  chan struct{} // has an entry if the queue may have one
	stop  chan struct{}
	done  chan struct{} // closed when the writer has ended; nil for a store that is only read

	closing sync.Once

	mu    sync.Mutex
	queue queue
	stats counts
}

// Open opens the store in a file, or makes it. It returns an error if cfg is invalid, or if another
// process has the store open (ErrInUse). With any other error, as of a full disk, Open returns a
// Store that tries again, see [Stats].
func Open(cfg Config) (*Store, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	s, err := newStore(cfg)
	if err != nil {
		return nil, err
	}
	w := &writer{Store: s}
	if err := w.openFile(); errors.Is(err, ErrInUse) {
		return nil, err
	} else if err != nil {
		w.fail(err)
	}
	s.done = make(chan struct{})
	go w.run()
	return s, nil
}

// OpenReadOnly opens the store in a file that no process writes to.
func OpenReadOnly(path string) (*Store, error) {
	s, err := newStore(Config{Path: path, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	f, err := openFile(path, true)
	if err != nil {
		return nil, err
	}
	s.open.set(f)
	return s, s.count()
}

func newStore(cfg Config) (*Store, error) {
	c, err := newCodec()
	return &Store{cfg: cfg, codec: c, more: make(chan struct{}, 1), stop: make(chan struct{})}, err
}

// maxName bounds the length of a policy's name.
const maxName = 4096

// Add queues a closed period of a policy. It does not wait for the disk, and does not keep snap. A
// period is lost, and counted in [Stats], if Config.Pending is exceeded: the oldest one first. by
// is the origin of modules of a pipeline.
func (s *Store) Add(policy string, snap *handler.Snapshot, by handler.Origin) {
	start, end, ok := timeOf(snap)
	if !ok {
		return // nothing was counted yet
	}
	by.Policy = cmp.Or(by.Policy, policy)
	data, err := s.codec.pack(snap, by)
	if err == nil && len(policy) > maxName {
		err = fmt.Errorf("history: the name of a policy has %d bytes, of %d at most", len(policy), maxName)
	}
	if err != nil {
		s.lose(1, err)
		return
	}
	s.mu.Lock()
	lost := s.queue.push(record{chain: chain{minute, policy}, start: start, end: end, data: data}, s.cfg.Pending)
	s.mu.Unlock()
	if lost > 0 {
		s.lose(lost, errors.New("history: the disk is too slow or away"))
	}
	select {
	case s.more <- struct{}{}:
	default:
	}
}

// lose counts and logs lost periods.
func (s *Store) lose(n int, err error) {
	s.mu.Lock()
	s.stats.lost += uint64(n)
	s.mu.Unlock()
	s.cfg.Logger.Warn("periods are lost from the history", "periods", n, "error", err)
}

// queue holds the periods that wait for the disk, the oldest first.
type queue struct {
	records []record
	bytes   int
	writing int // of the oldest records: how many are being written
}

// push appends r. It drops the oldest records over a number of bytes, and returns how many. It does
// not drop records that are being written: whether they are lost is not known yet, and the count of
// losses never falls.
func (q *queue) push(r record, most int) (lost int) {
	q.records = append(q.records, r)
	q.bytes += len(r.data)
	for q.bytes > most && len(q.records) > q.writing {
		q.remove(q.writing, q.writing+1)
		lost++
	}
	return lost
}

// remove removes the records from index i up to j.
func (q *queue) remove(i, j int) {
	for _, r := range q.records[i:j] {
		q.bytes -= len(r.data)
	}
	q.records = slices.Delete(q.records, i, j)
}

// Close writes the periods that wait and closes the file. It returns an error if periods are lost.
func (s *Store) Close() (err error) {
	s.closing.Do(func() {
		close(s.stop)
		if s.done != nil {
			<-s.done
		}
		s.mu.Lock()
		lost, last := len(s.queue.records), s.stats.last
		s.queue.remove(0, lost)
		s.mu.Unlock()
		if lost > 0 {
			s.lose(lost, last)
			err = fmt.Errorf("history: lost periods: %d: %w", lost, last)
		}
		if f := s.open.set(nil); f != nil {
			err = errors.Join(err, f.close())
		}
	})
	return err
}

// Policy is a policy with records.
type Policy struct {
	Name     string
	From, To time.Time // start of the earliest record, and end of the latest one
}

// Policies returns the policies with records, in the order of their names.
func (s *Store) Policies(ctx context.Context) (out []Policy, err error) {
	byName := make(map[string]Policy)
	err = s.open.view(func(tx *bolt.Tx) error {
		return chains(tx, func(c chain, b *bolt.Bucket) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			first, _ := b.Cursor().First()
			key, value := b.Cursor().Last()
			start, err := startOf(first)
			if err != nil {
				return nil // an empty bucket
			}
			last, err := peekRecord(value)
			if err != nil {
				last.end, _ = startOf(key) // a damaged record shows when it is read
			}
			p, known := byName[c.policy]
			if from := time.Unix(0, start); !known || from.Before(p.From) {
				p.From = from
			}
			if to := time.Unix(0, last.end); !known || to.After(p.To) {
				p.To = to
			}
			p.Name = c.policy
			byName[c.policy] = p
			return nil
		})
	})
	for _, p := range byName {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b Policy) int { return cmp.Compare(a.Name, b.Name) })
	return out, err
}

// chains calls do with each chain of the file.
func chains(tx *bolt.Tx, do func(chain, *bolt.Bucket) error) error {
	for t := range tiers {
		all := tx.Bucket([]byte(t.String()))
		if all == nil {
			continue
		}
		err := all.ForEachBucket(func(name []byte) error {
			return do(chain{t, string(name[1:])}, all.Bucket(name))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// bucket returns the bucket of a chain, or nil if it has no records.
func (c chain) bucket(tx *bolt.Tx) *bolt.Bucket {
	all := tx.Bucket([]byte(c.tier.String()))
	if all == nil {
		return nil
	}
	return all.Bucket(bucketOf(c.policy))
}

// nanoseconds returns t in ns since 1970, clamped to what an int64 holds.
func nanoseconds(t time.Time) int64 {
	switch {
	case t.Before(time.Unix(0, math.MinInt64)):
		return math.MinInt64
	case t.After(time.Unix(0, math.MaxInt64)):
		return math.MaxInt64
	}
	return t.UnixNano()
}
