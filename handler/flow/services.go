package flow

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Services names ports: a registry in the form of IANA's "Service Name and Transport Protocol Port
// Number Registry"
// (https://www.iana.org/assignments/service-names-port-numbers/service-names-port-numbers.csv). It
// is immutable.
type Services struct{ tcp, udp []service }

// service names the ports from first to last.
type service struct {
	first, last uint16
	name        string
}

// OpenServices reads the registry from a file.
func OpenServices(path string) (*Services, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("flow: registry of services: %w", err)
	}
	defer f.Close()
	s, err := ReadServices(f)
	if err != nil {
		return nil, fmt.Errorf("flow: registry of services %s: %w", path, err)
	}
	return s, nil
}

// ReadServices reads a registry in CSV. The first line names the columns, including "Service Name",
// "Port Number" and "Transport Protocol". It skips broken lines, lines without a name or a port,
// and lines of other protocols. The first of several names for a port counts.
func ReadServices(r io.Reader) (*Services, error) {
	table := csv.NewReader(r)
	table.FieldsPerRecord, table.LazyQuotes, table.ReuseRecord = -1, true, true
	head, err := table.Read()
	if err != nil {
		return nil, fmt.Errorf("no line of column names: %w", err)
	}
	name, port, proto := slices.Index(head, "Service Name"), slices.Index(head, "Port Number"), slices.Index(head, "Transport Protocol")
	if name < 0 || port < 0 || proto < 0 {
		return nil, errors.New("the first line must name the columns Service Name, Port Number and Transport Protocol")
	}
	s := &Services{}
	for {
		rec, err := table.Read()
		if err == io.EOF {
			s.sort()
			return s, nil
		}
		if _, broken := errors.AsType[*csv.ParseError](err); err != nil && !broken {
			return nil, err
		}
		if err == nil && len(rec) > max(name, port, proto) {
			s.add(strings.Clone(rec[name]), rec[port], rec[proto])
		}
	}
}

func (s *Services) add(name, ports, proto string) {
	first, last, isRange := strings.Cut(ports, "-")
	if !isRange {
		last = first
	}
	from, err := strconv.ParseUint(first, 10, 16)
	to, errTo := strconv.ParseUint(last, 10, 16)
	if err != nil || errTo != nil || name == "" || from > to {
		return
	}
	entry := service{uint16(from), uint16(to), name}
	switch proto {
	case "tcp":
		s.tcp = append(s.tcp, entry)
	case "udp":
		s.udp = append(s.udp, entry)
	}
}

// sort orders the entries by their last port. The sort is stable, because the first of several
// entries counts.
func (s *Services) sort() {
	for _, list := range [][]service{s.tcp, s.udp} {
		slices.SortStableFunc(list, func(a, b service) int { return int(a.last) - int(b.last) })
	}
}

// Name returns the UDP name of a port, or else its TCP name, or "" without either.
func (s *Services) Name(port uint16, udp bool) string {
	list := s.tcp
	if udp {
		list = s.udp
	}
	i, _ := slices.BinarySearchFunc(list, port, func(e service, port uint16) int {
		if e.last < port {
			return -1
		}
		return 1
	})
	if i < len(list) && list[i].first <= port {
		return list[i].name
	}
	return ""
}
