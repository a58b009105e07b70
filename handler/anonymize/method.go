package anonymize

import (
	"cmp"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"

	"visor/sketch/hash64"
)

// Config selects a method. The zero Config cuts addresses to 24 and 48 bits. A length of 0 is the
// default.
type Config struct {
	IPv4 int `policy:"v4" range:"1-32" help:"bits that are kept of an IPv4 address, 24 by default"`
	IPv6 int `policy:"v6" range:"1-128" help:"bits that are kept of an IPv6 address, 48 by default"`

	// of EDNS client subnets; 0 means IPv4 and IPv6
	SubnetIPv4 int `policy:"client_subnet_v4" range:"1-32" help:"bits that are kept of an IPv4 client subnet of EDNS; v4 by default"`
	SubnetIPv6 int `policy:"client_subnet_v6" range:"1-128" help:"bits that are kept of an IPv6 client subnet of EDNS; v6 by default"`

	// KeyFile has the key of Crypto-PAn, see [ParseKey]. [New] reads it unless Key is set.
	KeyFile string `policy:"key_file" type:"file" help:"file with the key of Crypto-PAn, 64 hexadecimal digits; addresses are then encrypted, not cut"`
	// Key selects Crypto-PAn. Lengths must then be 0.
	Key *Key
}

// Key is the key of Crypto-PAn: an AES-128 key, and the block that pads addresses.
type Key [32]byte

// ParseKey parses a key of 64 hexadecimal digits. White space around it is ignored. The error does
// not quote the text.
func ParseKey(text []byte) (*Key, error) {
	b, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(b) != len(Key{}) {
		return nil, errors.New("a key of Crypto-PAn has 64 hexadecimal digits")
	}
	return (*Key)(b), nil
}

// String returns a text that does not reveal the key.
func (k *Key) String() string {
	sum := sha256.Sum256(append([]byte("visor Crypto-PAn key"), k[:]...))
	return "key " + hex.EncodeToString(sum[:8])
}

// Method replaces addresses. It is immutable and safe for concurrent use.
type Method struct {
	cfg   Config // with defaults
	block cipher.Block
	pad   [2]uint64 // of an address
	// whether the next bit flips, by the first bits of an address: prefixes are in the order of a
	// binary heap
	top  [1 << topBits / 64]uint64
	hash *hash64.Hasher // places addresses in caches
}

const topBits = 16 // bits of an address whose flips are computed once: 8 KiB

// New returns a Method, or an error listing all problems in cfg.
func New(cfg Config) (*Method, error) {
	lengths := cfg.IPv4 | cfg.IPv6 | cfg.SubnetIPv4 | cfg.SubnetIPv6
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	if cfg.Key == nil && cfg.KeyFile != "" {
		text, err := os.ReadFile(cfg.KeyFile)
		if err == nil {
			cfg.Key, err = ParseKey(text)
		}
		if err != nil {
			return nil, fmt.Errorf("anonymize: %s: %w", cfg.KeyFile, err)
		}
	}
	if cfg.Key != nil {
		if lengths != 0 {
			return nil, errBoth
		}
		return newCryptoPAn(cfg)
	}
	cfg.IPv4, cfg.IPv6 = cmp.Or(cfg.IPv4, 24), cmp.Or(cfg.IPv6, 48)
	cfg.SubnetIPv4, cfg.SubnetIPv6 = cmp.Or(cfg.SubnetIPv4, cfg.IPv4), cmp.Or(cfg.SubnetIPv6, cfg.IPv6)
	return &Method{cfg: cfg}, nil
}

var errBoth = errors.New("anonymize: lengths of prefixes have no meaning with a key, which encrypts addresses")

// Check returns the problems in cfg, without reading its file.
func (cfg *Config) Check() error {
	var errs []error
	for _, l := range []struct {
		name       string
		bits, most int
	}{{"IPv4", cfg.IPv4, 32}, {"IPv6", cfg.IPv6, 128}, {"SubnetIPv4", cfg.SubnetIPv4, 32}, {"SubnetIPv6", cfg.SubnetIPv6, 128}} {
		if l.bits < 0 || l.bits > l.most {
			errs = append(errs, fmt.Errorf("anonymize: %s is %d: must be from 1 to %d", l.name, l.bits, l.most))
		}
	}
	if cfg.KeyFile != "" && cfg.IPv4|cfg.IPv6|cfg.SubnetIPv4|cfg.SubnetIPv6 != 0 {
		errs = append(errs, errBoth)
	}
	return errors.Join(errs...)
}

// Shows reports whether a network is shown as it is, so that counts of its hosts alone do not
// identify one of them. A nil Method shows all networks.
func (m *Method) Shows(net netip.Prefix) bool {
	return m == nil || m.block == nil && net.Bits() <= m.kept(net.Addr())
}

// Equal reports whether m and other replace all addresses alike. A nil Method replaces none.
func (m *Method) Equal(other *Method) bool {
	if m == nil || other == nil {
		return m == other
	}
	a, b := m.cfg, other.cfg
	if a.Key != nil && b.Key != nil {
		return *a.Key == *b.Key // whatever file has it
	}
	return a == b
}

// ShowsName reports whether a name, the key of a [visor/decode/dnsmsg.Name], is shown as it is. A
// nil Method shows all names.
func (m *Method) ShowsName(name []byte) bool {
	if m == nil {
		return true
	}
	_, changed := m.NewCache().AppendName(nil, name)
	return !changed
}

// String describes m without its key.
func (m *Method) String() string {
	if m.block != nil {
		return "Crypto-PAn, " + m.cfg.Key.String()
	}
	return fmt.Sprintf("/%d and /%d, client subnets /%d and /%d", m.cfg.IPv4, m.cfg.IPv6, m.cfg.SubnetIPv4, m.cfg.SubnetIPv6)
}

// Options returns the keys of cfg, as in a document, without those that have their default.
func (cfg *Config) Options() map[string]any {
	out := make(map[string]any)
	for key, bits := range map[string]int{"v4": cfg.IPv4, "v6": cfg.IPv6, "client_subnet_v4": cfg.SubnetIPv4, "client_subnet_v6": cfg.SubnetIPv6} {
		if bits != 0 {
			out[key] = bits
		}
	}
	if cfg.KeyFile != "" {
		out["key_file"] = cfg.KeyFile
	}
	return out
}

// kept returns the number of bits that remain of an address.
func (m *Method) kept(addr netip.Addr) int {
	switch {
	case m.block != nil:
		return addr.BitLen()
	case addr.Is4():
		return m.cfg.IPv4
	}
	return keptV6(addr, m.cfg.IPv6, m.cfg.IPv4)
}

// keptV6 returns the number of bits that remain of an IPv6 address. An address of 6to4 (RFC 3056)
// has an IPv4 address behind its first 16 bits.
func keptV6(addr netip.Addr, v6, v4 int) int {
	const first = 16
	if b := addr.As16(); b[0] == 0x20 && b[1] == 0x02 {
		return min(v6, first+v4)
	}
	return v6
}
