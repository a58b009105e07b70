package geo

import (
	"bytes"
	"cmp"
	"strconv"
	"strings"

	"github.com/oschwald/maxminddb-golang/v2"

	"visor/sketch/hash64"
)

// Unknown is the text for addresses without a record in the database.
const Unknown = "Unknown"

// Location is the location of an address. It is immutable.
type Location struct {
	// "EU/Sweden/E/Linköping": continent, country, subdivision, city; missing parts are left out
	Text     string
	Lat, Lon string // degrees with six decimals; "" if unknown
	Key      []byte // unambiguous encoding of the three, for top lists; [ParseKey] decodes it
	Hash     uint64 // hash of Key, see [Cache.Keyed]
}

// AS is the autonomous system of an address. It is immutable.
type AS struct {
	Number uint32 // 0 if unknown
	Org    string // the organisation; may be empty
	Text   string // "1221/Telstra Pty Ltd", the number alone without an organisation, or Unknown
	Key    []byte // Text, for top lists
	Hash   uint64 // hash of Key, see [Cache.Keyed]
}

// ParseKey decodes the Key of a Location. For other bytes, it takes the leading part as the text.
func ParseKey(key []byte) (text, lat, lon string) {
	t, rest, _ := bytes.Cut(key, []byte{0})
	la, lo, _ := bytes.Cut(rest, []byte{0})
	return string(t), string(la), string(lo)
}

type cityRecord struct {
	Continent struct {
		Code string `maxminddb:"code"`
	} `maxminddb:"continent"`
	Country struct {
		ISO   string `maxminddb:"iso_code"`
		Names struct {
			English string `maxminddb:"en"`
		} `maxminddb:"names"`
	} `maxminddb:"country"`
	Subdivisions []struct {
		ISO string `maxminddb:"iso_code"`
	} `maxminddb:"subdivisions"`
	City struct {
		Names struct {
			English string `maxminddb:"en"`
		} `maxminddb:"names"`
	} `maxminddb:"city"`
	Location struct {
		Lat *float64 `maxminddb:"latitude"`
		Lon *float64 `maxminddb:"longitude"`
	} `maxminddb:"location"`
}

// decodeLocation returns the Location of a record. Unlike pktvisor, which returns an empty text for
// a record without names, it returns Unknown.
func decodeLocation(r maxminddb.Result, h *hash64.Hasher) *Location {
	var rec cityRecord
	if !r.Found() || r.Decode(&rec) != nil {
		return newLocation(h, Unknown, "", "")
	}
	text := rec.Continent.Code
	country := rec.Country.Names.English
	if country == "" {
		country = rec.Country.ISO
	}
	parts := []string{country}
	if len(rec.Subdivisions) > 0 {
		parts = append(parts, rec.Subdivisions[0].ISO)
	}
	for _, part := range append(parts, rec.City.Names.English) {
		if part != "" {
			text += "/" + part
		}
	}
	return newLocation(h, cmp.Or(text, Unknown), degrees(rec.Location.Lat), degrees(rec.Location.Lon))
}

func newLocation(h *hash64.Hasher, text, lat, lon string) *Location {
	text = strings.ReplaceAll(text, "\x00", "")
	key := []byte(text + "\x00" + lat + "\x00" + lon)
	return &Location{Text: text, Lat: lat, Lon: lon, Key: key, Hash: sum(h, key)}
}

// sum returns the hash of a key, 0 without a Hasher.
func sum(h *hash64.Hasher, key []byte) uint64 {
	if h == nil {
		return 0
	}
	return h.Sum(key)
}

func degrees(f *float64) string {
	if f == nil {
		return ""
	}
	return strconv.FormatFloat(*f, 'f', 6, 64)
}

type asRecord struct {
	Number uint32 `maxminddb:"autonomous_system_number"`
	Org    string `maxminddb:"autonomous_system_organization"`
}

// decodeAS returns the AS of a record. Some records of ISP databases have no number. Unlike
// pktvisor, which returns an empty text for them, decodeAS returns Unknown.
func decodeAS(r maxminddb.Result, h *hash64.Hasher) *AS {
	var rec asRecord
	as := &AS{Text: Unknown}
	if r.Found() && r.Decode(&rec) == nil && rec.Number != 0 {
		as.Number, as.Org = rec.Number, rec.Org
		as.Text = strconv.FormatUint(uint64(rec.Number), 10)
		if rec.Org != "" {
			as.Text += "/" + rec.Org
		}
	}
	as.Key = []byte(as.Text)
	as.Hash = sum(h, as.Key)
	return as
}
