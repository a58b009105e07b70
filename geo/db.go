package geo

import (
	"visor/sketch/hash64"

	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oschwald/maxminddb-golang/v2"
)

// Config configures a DB. At least one path must be set.
type Config struct {
	CityPath string // City database; "" for none
	ASNPath  string // ASN or ISP database; "" for none
	// addresses that each Cache remembers per database; 0 means 10000, negative disables caching
	CacheSize int
	// how often to check the files for changes; 0 means 10 s, negative never
	Reload time.Duration
	Logger *slog.Logger // receives reloads and load errors; nil discards them
}

// DB is a City database, an ASN database, or both. It is safe for concurrent use.
type DB struct {
	cfg  Config
	city *file // nil if there is none
	asn  *file
	quit chan struct{}
	done sync.WaitGroup
	once sync.Once
}

// Open loads the databases. The error names the file that could not be loaded and the reason. A
// City database in place of an ASN database is an error too.
func Open(cfg Config) (*DB, error) {
	if cfg.CityPath == "" && cfg.ASNPath == "" {
		return nil, errors.New("geo: neither a City nor an ASN database is named")
	}
	if cfg.CacheSize == 0 {
		cfg.CacheSize = 10000
	}
	if cfg.Reload == 0 {
		cfg.Reload = 10 * time.Second
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	db := &DB{cfg: cfg, quit: make(chan struct{})}
	var errCity, errASN error
	db.city, errCity = openFile(cfg.CityPath, "locations", func(r maxminddb.Result) bool {
		at := decodeLocation(r, nil)
		return at.Text != Unknown || at.Lat != ""
	})
	db.asn, errASN = openFile(cfg.ASNPath, "autonomous system numbers", func(r maxminddb.Result) bool {
		return decodeAS(r, nil).Number != 0
	})
	if err := errors.Join(errCity, errASN); err != nil {
		return nil, err
	}
	if cfg.Reload > 0 {
		db.done.Go(db.watch)
	}
	return db, nil
}

// Close stops the checks for changes. Caches keep working with the loaded databases.
func (db *DB) Close() error {
	db.once.Do(func() { close(db.quit) })
	db.done.Wait()
	return nil
}

// HasASN reports whether there is a database of autonomous systems.
func (db *DB) HasASN() bool { return db.asn != nil }

// NewCache returns a Cache over db.
func (db *DB) NewCache() *Cache {
	secret := hash64.Random()
	return &Cache{
		city: lookups[Location]{file: db.city, size: db.cfg.CacheSize, decode: decodeLocation, hash: secret},
		asn:  lookups[AS]{file: db.asn, size: db.cfg.CacheSize, decode: decodeAS, hash: secret},
	}
}

func (db *DB) watch() {
	tick := time.NewTicker(db.cfg.Reload)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			db.city.refresh(db.cfg.Logger)
			db.asn.refresh(db.cfg.Logger)
		case <-db.quit:
			return
		}
	}
}

// file is a database file with its last loaded content.
type file struct {
	path    string
	needs   string                      // what the database must have
	has     func(maxminddb.Result) bool // reports whether a record has it
	seen    os.FileInfo                 // file info at the last attempt to load
	current atomic.Pointer[edition]
}

// edition is one loaded state of a file. Each has its own address, by which caches notice a new
// one.
type edition struct{ reader *maxminddb.Reader }

// openFile returns nil if path is empty.
func openFile(path, needs string, has func(maxminddb.Result) bool) (*file, error) {
	if path == "" {
		return nil, nil
	}
	f := &file{path: path, needs: needs, has: has}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("geo: %w", err)
	}
	f.seen = info
	return f, f.load()
}

// load reads the file into memory instead of mapping it. Overwriting a mapped file in place could
// corrupt answers or crash the process.
func (f *file) load() error {
	raw, err := os.ReadFile(f.path)
	if err != nil {
		return fmt.Errorf("geo: %w", err)
	}
	reader, err := maxminddb.OpenBytes(raw)
	if err != nil {
		return fmt.Errorf("geo: %s is not a MaxMind database: %w", f.path, err)
	}
	if !f.useful(reader) {
		return fmt.Errorf("geo: %s has no %s, it is a database of type %q", f.path, f.needs, reader.Metadata.DatabaseType)
	}
	f.current.Store(&edition{reader})
	return nil
}

// maxSearched is the number of networks that are searched for useful records.
const maxSearched = 1 << 16

// useful reports whether a database has a record with what is needed. Without one, all addresses
// would be Unknown.
func (f *file) useful(db *maxminddb.Reader) bool {
	n := 0
	for record := range db.Networks(maxminddb.IncludeNetworksWithoutData()) {
		if f.has(record) {
			return true
		}
		if n++; n == maxSearched {
			break
		}
	}
	return false
}

// refresh loads the file again if it has changed.
func (f *file) refresh(log *slog.Logger) {
	if f == nil {
		return
	}
	info, err := os.Stat(f.path)
	if err != nil || os.SameFile(info, f.seen) && info.ModTime().Equal(f.seen.ModTime()) && info.Size() == f.seen.Size() {
		return // during a replacement the file may be missing: the old one stays in use
	}
	f.seen = info
	if err := f.load(); err != nil {
		log.Warn("geo database not reloaded, the old one serves", "path", f.path, "error", err)
		return
	}
	log.Info("geo database reloaded", "path", f.path)
}
