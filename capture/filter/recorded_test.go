package filter_test

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"visor/capture"
	"visor/capture/filter"
	"visor/decode"
	"visor/internal/golden"
	"visor/internal/packettest"
)

// Headers that the frames below begin with.
const (
	macs  = "020000000001 020000000002 "
	wlan  = "0801 0000 020000000001 020000000002 020000000003 1000 AAAA03 000000 0800"
	qos   = "8801 0000 020000000001 020000000002 020000000003 1000 0000 AAAA03 000000 0800"
	sll2  = "0800 0000 00000002 0001 04 06 020000000002 0000"
	arpIP = "0001 0800 06 04 0001 020000000002 C0A80101 000000000000 C0A80102"
	ipv4  = "4500 0030 0000 0000 40 %s 0000 0A000001 0A000002" // a protocol is missing
	ipv6  = "60000000 0018 %s 40 20010DB8000000000000000000000001 20010DB8000000000000000000000002"
)

// fifty returns frames of everything that expressions ask about, by link type.
func fifty(t testing.TB) map[decode.LinkType][]capture.Frame {
	udp := packettest.UDP(0, "192.0.2.1:5000", "8.8.8.8:53", packettest.Query(1, "a.example", 1)).Data
	udp6 := packettest.UDP(0, "[2001:db8::1]:53", "[2001:4860:4860::8888]:5000", packettest.Query(1, "a.example", 1)).Data
	web := packettest.TCP(0, "10.0.0.1:40000", "10.0.0.2:80", 0x18, 1, 1, []byte("GET / HTTP/1.1\r\n\r\n")).Data
	v4, v6 := udp[14:], udp6[14:]
	over := func(header string, packet []byte) []byte { return append(packettest.Hex(header), packet...) }
	protocol := func(number, payload string) []byte {
		return packettest.Hex(macs + "0800" + fmt.Sprintf(ipv4, number) + payload + strings.Repeat("00", 28-len(strings.ReplaceAll(payload, " ", ""))/2))
	}
	protocol6 := func(number, payload string) []byte {
		return packettest.Hex(macs + "86DD" + fmt.Sprintf(ipv6, number) + payload + strings.Repeat("00", 24-len(strings.ReplaceAll(payload, " ", ""))/2))
	}
	later := slices.Clone(udp)
	later[14+6], later[14+7] = 0x20, 0x10 // a fragment that is not the first
	options := slices.Concat(web[:14], []byte{0x46}, web[15:34], []byte{1, 1, 1, 1}, web[34:])
	geneve := packettest.UDP(0, "192.0.2.1:5000", "192.0.2.2:6081", over("0040 6558 0000 0500", web)).Data
	ethernet := [][]byte{
		udp, udp6, web, later, options, geneve, udp[:40],
		packettest.TCP(0, "192.168.1.1:179", "192.168.1.2:50000", 0x02, 1, 0, nil).Data,
		packettest.TCP(0, "[::1]:40000", "[::1]:443", 0x12, 1, 1, nil).Data,
		packettest.UDP(0, "0.0.0.0:68", "255.255.255.255:67", make([]byte, 300)).Data,
		packettest.UDP(0, "192.168.1.1:123", "8.8.4.4:123", make([]byte, 48)).Data,
		packettest.UDP(0, "10.1.2.3:33434", "224.0.0.251:33500", make([]byte, 1200)).Data,
		protocol("01", "0800 0000 0001 0001"), protocol("01", "0303 0000 00000000 45"), protocol("02", "1600"), protocol("59", "02"),
		protocol("32", ""), protocol("33", "1104"), protocol("67", "20"), protocol("70", "21"), protocol("84", "0B55 0B55 00000000 00000000 01"),
		protocol("29", "60"), protocol("2F", "0000 0800"),
		protocol6("3A", "8000"), protocol6("3A", "8700"), protocol6("2C", "1100 0001 00000001"), protocol6("00", "1100 0000 00000000"),
		packettest.Hex("FFFFFFFFFFFF 020000000002 0806" + arpIP), packettest.Hex("FFFFFFFFFFFF 020000000002 8035" + arpIP),
		over(macs+"8100 0064 0800", v4), over(macs+"8100 0064 8100 00C8 0800", v4), over(macs+"88A8 0005 8100 000A 86DD", v6),
		over(macs+"8847 00064140 0800", v4), over(macs+"8847 00064040 000C8140", v4), over(macs+"8864 1100 0001 0022 0021", v4),
		packettest.Hex(macs + "8863 1109 0000 0004 0101 0000"),
		packettest.Hex("0180C2000000 020000000002 0026 424203 0000000000" + strings.Repeat("00", 30)),
		packettest.Hex("0180C2000014 020000000002 0030 FEFE03 83 1B 01 00 0F 01" + strings.Repeat("00", 30)),
		packettest.Hex(macs + "0020 E0E003 FFFF 0020" + strings.Repeat("00", 26)),
	}
	rest := map[decode.LinkType][][]byte{
		decode.LinkSLL2: {over(sll2, v4), over("86DD"+sll2[4:], v6), packettest.Hex("0806" + sll2[4:] + arpIP)},
		decode.LinkRaw:  {v4, v6, web[14:], later[14:]},
		decode.LinkWiFi: {over(wlan, v4), over(qos, web[14:]), packettest.Hex("8000 0000 FFFFFFFFFFFF 020000000002 020000000003 1000" + strings.Repeat("00", 20)),
			over("0802"+wlan[4:], v4)},
	}
	rest[decode.LinkEthernet] = ethernet
	frames, n := make(map[decode.LinkType][]capture.Frame), 0
	for _, link := range slices.Sorted(maps.Keys(rest)) {
		for i, b := range rest[link] {
			frames[link] = append(frames[link], capture.Frame{TimeNS: int64(i) * 1000, Data: b, WireLen: uint32(len(b)), Link: link})
			n++
		}
	}
	require.Equal(t, 50, n)
	return frames
}

// TestRecorded compares filters with tcpdump's answers about fifty frames. The flag -update records
// the answers of the tcpdump that is installed.
func TestRecorded(t *testing.T) {
	frames := fifty(t)
	links := slices.Sorted(maps.Keys(frames))
	judge := visorJudge(frames)
	if golden.Updating() {
		judge = tcpdumpJudge(t, frames)
	}
	var text strings.Builder
	for _, expr := range expressions(t) {
		if _, differs := differences[expr]; differs {
			continue
		}
		text.WriteString(expr)
		for _, link := range links {
			if !unlike(link, expr) {
				fmt.Fprintf(&text, " | %s%s", names[link], judge(link, expr))
			}
		}
		text.WriteString("\n")
	}
	golden.Equal(t, "testdata/answers.txt", []byte(text.String()))
}

// visorJudge returns a function that returns the numbers of the frames that pass, as text.
func visorJudge(frames map[decode.LinkType][]capture.Frame) func(decode.LinkType, string) string {
	return func(link decode.LinkType, expr string) (passed string) {
		p, err := filter.Compile(expr, link)
		if err != nil {
			return " refused"
		}
		for i, f := range frames[link] {
			if p.Match(f.Data, f.WireLen) {
				passed += fmt.Sprintf(" %d", i)
			}
		}
		return passed
	}
}

// tcpdumpJudge is visorJudge by tcpdump.
func tcpdumpJudge(t *testing.T, frames map[decode.LinkType][]capture.Frame) func(decode.LinkType, string) string {
	dir := t.TempDir()
	for link := range frames {
		write(t, filepath.Join(dir, names[link]), frames[link])
	}
	return func(link decode.LinkType, expr string) (text string) {
		passed, reason := tcpdump(t, filepath.Join(dir, names[link]), expr)
		if reason != "" {
			return " refused"
		}
		for _, i := range slices.Sorted(maps.Keys(passed)) {
			text += fmt.Sprintf(" %d", i)
		}
		return text
	}
}

// TestFifty checks that the recorded answers are worth their name: every frame passes some filters,
// and fails others.
func TestFifty(t *testing.T) {
	frames := fifty(t)
	judge := visorJudge(frames)
	passed := make(map[string]int)
	for _, expr := range expressions(t) {
		for link := range frames {
			for number := range strings.FieldsSeq(judge(link, expr)) {
				passed[names[link]+" "+number]++
			}
		}
	}
	for link := range frames {
		for i := range frames[link] {
			require.Greater(t, passed[fmt.Sprintf("%s %d", names[link], i)], 10)
		}
	}
}
