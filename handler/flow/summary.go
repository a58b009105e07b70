package flow

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"visor/decode"
	"visor/geo"
)

// summary maps addresses to the texts shown instead.
type summary struct {
	cfg     *Summary
	none    bool // addresses shown as they are
	except  decode.NetSet
	subnets []subnet
	// prefix length shown for addresses outside all subnets; negative shows the whole address
	wild4      int
	wild6      int
	exceptASNs []uint32
}

type subnet struct {
	net  decode.NetSet
	text string // as configured
}

func parseNets(list []string) (decode.NetSet, error) {
	return decode.ParseNetSet(strings.Join(list, ","))
}

func newSummary(cfg *Summary) (summary, error) {
	s := summary{cfg: cfg, wild4: -1, wild6: -1, none: !cfg.ByASN && len(cfg.Subnets) == 0}
	var errs []error
	except, err := parseNets(cfg.Except)
	if err != nil {
		err = fmt.Errorf("flow: Summary.Except: %w", err)
	}
	s.except = except
	errs = append(errs, err)
	for _, text := range cfg.Subnets {
		errs = append(errs, s.addSubnet(text))
	}
	for _, text := range cfg.ExceptASNs {
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			err = fmt.Errorf("flow: Summary.ExceptASNs: %q is not a number of 32 bits", text)
		}
		s.exceptASNs = append(s.exceptASNs, uint32(n))
		errs = append(errs, err)
	}
	return s, errors.Join(errs...)
}

// addSubnet adds a network. One that begins with the unspecified address is a wildcard.
func (s *summary) addSubnet(text string) error {
	nets, err := decode.ParseNetSet(text)
	if err != nil {
		return fmt.Errorf("flow: Summary.Subnets: %w", err)
	}
	addr, digits, _ := strings.Cut(text, "/")
	ip, err := netip.ParseAddr(strings.TrimSpace(addr))
	if err != nil || !ip.IsUnspecified() {
		s.subnets = append(s.subnets, subnet{nets, text})
		return err
	}
	wild := &s.wild4
	if ip.Is6() {
		wild = &s.wild6
	}
	if *wild >= 0 {
		return errors.New("flow: Summary.Subnets has two wildcards of one IP version")
	}
	*wild, err = strconv.Atoi(strings.TrimSpace(digits))
	return err
}

// appendText appends the text shown instead of an address. It returns false if the address is
// shown. Wildcards show a network of the address after anonymization.
func (s *summary) appendText(dst []byte, addr, shown netip.Addr, systems *geo.Cache) (text []byte, ok bool) {
	if s.none || s.except.Contains(addr) {
		return dst, false
	}
	if s.cfg.ByASN && systems != nil {
		if as := systems.ASN(addr); as != nil && s.showsAS(as) {
			return append(dst, as.Text...), true
		}
	}
	for i := range s.subnets {
		if s.subnets[i].net.Contains(addr) {
			return append(dst, s.subnets[i].text...), true
		}
	}
	bits := s.wild6
	if addr.Is4() {
		bits = s.wild4
	}
	if bits >= 0 {
		if p, err := shown.Prefix(bits); err == nil {
			return p.AppendTo(dst), true
		}
	}
	return dst, false
}

func (s *summary) showsAS(as *geo.AS) bool {
	if as.Text == geo.Unknown {
		return !s.cfg.ExceptUnknowns
	}
	return !slices.Contains(s.exceptASNs, as.Number)
}
