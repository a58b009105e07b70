package filter_test

import (
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/bpf"

	"visor/capture"
	"visor/capture/filter"
	"visor/decode"
	"visor/internal/packettest"
	"visor/internal/trafficgen"
)

// TestErrors checks that an error has its column and the expected words.
func TestErrors(t *testing.T) {
	for _, tc := range []struct {
		expr   string
		column int
		reason string
	}{
		{"port", 5, "expected a port number or the name of a service, found the end"},
		{"tcp and", 8, "expected an expression such as 'port 53', found the end"},
		{"tcp tcp", 5, "expected 'and', 'or' or the end, found 'tcp'"},
		{"port 70000", 6, "'70000' is not a port: neither a number up to 65535 nor the name of a service"},
		{"port (53 or http or nosuchservice)", 21, "'nosuchservice' is not a port: neither a number up to 65535 nor the name of a service"},
		{"portrange 1-nosuch", 11, "'1-nosuch' is not a range of ports, such as 1000-2000"},
		{"net 10.0.0.1/8", 5, "10.0.0.1 has bits beyond its mask; perhaps 10.0.0.0 was meant"},
		{"net 10.0.0.0/40", 5, "a prefix of IPv4 has up to 32 bits"},
		{"net 2001:db8::1/32", 5, "2001:db8::1 has bits beyond its prefix; perhaps 2001:db8::/32 was meant"},
		{"host 300.1.1.1", 6, "300.1.1.1 is not an IPv4 address: 300 is more than 255"},
		{"ip proto tcp", 10, `expected the number or name of a protocol, found the keyword 'tcp'; a name is written \tcp`},
		{"ip proto nosuch", 10, "unknown protocol 'nosuch'; write its number"},
		{"(tcp", 5, "expected ')', found the end"},
		{"tcp host 10.0.0.1", 10, "'tcp' cannot stand before a host or network; write 'tcp and …'"},
		{"ip[0:3] = 1", 6, "a field has 1, 2 or 4 bytes, not '3'"},
		{"ip[0]", 6, "expected a comparison (= != < > <= >=), found the end"},
		{"len / 0 = 1", 5, "division by zero"},
		{"vlan 5000", 6, "a VLAN has a number up to 4095"},
		{"type mgt", 1, "'type' is not supported"},
		{"ether", 1, "'ether' needs 'host', 'src', 'dst', 'proto', 'broadcast' or 'multicast' after it"},
		{"geneve and geneve", 12, "'geneve' within 'geneve' is not supported"},
		{"geneve 99999999", 8, "a virtual network of Geneve has a number up to 16777215"},
		{"dns and host 192.0.2.1", 1, "'dns' needs a qualifier before it, such as 'host' or 'port'; did you mean 'port 53'?"},
		{"8.8.8.8", 1, "'8.8.8.8' needs a qualifier before it, such as 'host' or 'port'"},
		{"host 0:1:2:3:4:5", 6, "a MAC address needs 'ether' before it, as 'ether host 0:1:2:3:4:5'"},
		{"ether host 10.0.0.1", 12, "expected a MAC address, as 00:00:5e:00:53:01"},
		{"tcp # comment", 5, `nothing begins with "#"`},
		{"port 99999999999", 6, "99999999999 is not a 32-bit number"},
		{strings.Repeat("(", 200) + "tcp", 102, "more than 100 levels of brackets"},
		{strings.Repeat("not ", 200) + "tcp", 405, "more than 100 levels of brackets and 'not'"},
		{"inbound", 1, "only Linux cooked capture has the direction of a packet"},
		{"ip6 broadcast", 5, "only 'ether' and 'ip' can stand before 'broadcast'"},
	} {
		_, err := filter.Compile(tc.expr, decode.LinkEthernet)
		wrong := new(filter.Error)
		require.ErrorAs(t, err, &wrong, tc.expr)
		require.Equal(t, tc.column, wrong.Column, "%v", err)
		require.Contains(t, wrong.Reason, tc.reason, tc.expr)
		require.Contains(t, err.Error(), fmt.Sprintf("column %d", tc.column))
		require.Equal(t, err, filter.Check(tc.expr, decode.LinkEthernet))
	}
	require.NoError(t, filter.Check("host nosuch.invalid and ip6 host nosuch.invalid", decode.LinkEthernet))
	_, err := filter.Compile("tcp", decode.LinkPFLog)
	require.ErrorContains(t, err, "link type 117 cannot be filtered")
}

// TestOptimised compares the number of instructions with hand-written filters.
func TestOptimised(t *testing.T) {
	for expr, most := range map[string]int{
		"":              1,
		"ip":            4,
		"udp port 53":   20,
		"port 53":       25,
		"host 10.0.0.1": 14,
		"ip or not ip":  1,
		"ip and not ip": 1,
		"ip and (udp or tcp) and port 53 and not port 80": 40,
		"host 10.0.0.1 or 10.0.0.2 or 10.0.0.3":           30,
	} {
		p, err := filter.Compile(expr, decode.LinkEthernet)
		require.NoError(t, err)
		require.LessOrEqual(t, len(p.Instructions()), most, "%s:\n%v", expr, p)
	}
}

// TestLongJumps has addresses until jumps to the end exceed the range of a conditional jump.
func TestLongJumps(t *testing.T) {
	var hosts []string
	for i := range 500 {
		hosts = append(hosts, fmt.Sprintf("192.0.%d.%d", i/256, i%256))
	}
	p, err := filter.Compile("src host ("+strings.Join(hosts, " or ")+")", decode.LinkRaw)
	require.NoError(t, err)
	require.Less(t, len(p.Instructions()), 4096, "what the kernel takes")
	packet := make([]byte, 40)
	packet[0] = 0x45
	for i := range 600 {
		src := [4]byte{192, 0, byte(i / 256), byte(i)}
		copy(packet[12:], src[:])
		require.Equal(t, i < 500, p.Match(packet, 40), netip.AddrFrom4(src))
	}
}

// TestAsOtherMachine also runs programs on the machine of x/net/bpf.
func TestAsOtherMachine(t *testing.T) {
	frames := generated(t)
	if testing.Short() {
		frames = frames[:100]
	}
	for _, expr := range expressions(t) {
		p, err := filter.Compile(expr, decode.LinkEthernet)
		if err != nil {
			continue
		}
		vm := machine(t, p)
		for _, f := range frames {
			n, err := vm.Run(f.Data)
			require.NoError(t, err)
			require.Equal(t, n != 0, p.Match(f.Data, uint32(len(f.Data))), "%s: % x", expr, f.Data)
		}
	}
}

func machine(t testing.TB, p *filter.Program) *bpf.VM {
	decoded, ok := bpf.Disassemble(p.Instructions())
	require.True(t, ok, "%v", p)
	vm, err := bpf.NewVM(decoded)
	require.NoError(t, err, "%v", p)
	return vm
}

func generated(t testing.TB) []capture.Frame {
	frames, _ := trafficgen.Frames(trafficgen.Mixed(2000))
	return frames
}

// TestNamesOfHosts accepts all addresses of a name.
func TestNamesOfHosts(t *testing.T) {
	for expr, want := range map[string][2]bool{
		"host www.example.com": {true, true}, "ip host www.example.com": {true, false}, "ip6 dst www.example.com": {false, true},
		"src host www.example.com": {false, false},
	} {
		p, err := filter.CompileOffline(expr, decode.LinkRaw)
		require.NoError(t, err)
		v4, v6 := make([]byte, 20), make([]byte, 40)
		v4[0], v6[0] = 0x45, 0x60
		copy(v4[16:], []byte{127, 0, 0, 1})
		v6[39] = 1
		require.Equal(t, want, [2]bool{p.Match(v4, 20), p.Match(v6, 40)}, expr)
	}
}

func TestSource(t *testing.T) {
	frames := generated(t)
	want := 0
	p, err := filter.Compile("udp port 53", decode.LinkEthernet)
	require.NoError(t, err)
	for _, f := range frames {
		if p.Match(f.Data, f.WireLen) {
			want++
		}
	}
	src, err := filter.NewSource(capture.NewMemory(frames), "udp port 53")
	require.NoError(t, err)
	got := 0
	var b capture.Batch
	for err = src.ReadBatch(&b); err == nil; err = src.ReadBatch(&b) {
		require.NotEmpty(t, b.Frames)
		got += len(b.Frames)
	}
	require.ErrorIs(t, err, io.EOF)
	require.Empty(t, b.Frames)
	require.Equal(t, want, got)
	require.Greater(t, got, 100)
	require.Less(t, got, len(frames))
}

// TestSourceOfUnknownLink returns the frames before the one that cannot be filtered.
func TestSourceOfUnknownLink(t *testing.T) {
	frames := []capture.Frame{{Data: make([]byte, 60), Link: decode.LinkEthernet}, {Data: make([]byte, 60), Link: decode.LinkPFLog}}
	src, err := filter.NewSource(capture.NewMemory(frames), "len > 0 or not ip")
	require.NoError(t, err)
	var b capture.Batch
	require.NoError(t, src.ReadBatch(&b))
	require.Len(t, b.Frames, 1)
	require.ErrorContains(t, src.ReadBatch(&b), "link type 117 cannot be filtered")
	require.Empty(t, b.Frames)
}

func TestMatchAllocatesNothing(t *testing.T) {
	p, err := filter.Compile("udp port 53 and ip[8] * 2 > len", decode.LinkEthernet)
	require.NoError(t, err)
	f := generated(t)[0]
	require.Zero(t, testing.AllocsPerRun(100, func() { p.Match(f.Data, f.WireLen) }))
}

// TestRareLinks filters link types with few or no frames in the corpus.
func TestRareLinks(t *testing.T) {

	query := packettest.UDP(0, "192.0.2.1:5000", "192.0.2.53:53", nil).Data[14:]
	for _, tt := range []struct {
		link   decode.LinkType
		header string
	}{
		{decode.LinkPPP, "FF03 0021"}, {50, "FF03 0021"}, {51, "1100 0001 0022 0021"}, {decode.LinkHDLC, "0F00 0800"},
		{decode.LinkARCNet, "0102 D4 00 0001"}, {129, "0102 0000 D4 00 0001"},
		{decode.LinkWiFi, wlan}, {decode.LinkWiFi, qos}, {decode.LinkRadiotap, "0000 0A00 00000000 0000" + wlan},
		{decode.LinkAVS, "80211001 00000010 0000000000000000" + wlan}, {decode.LinkPrism, "80211001 00000010 0000000000000000" + qos},
		{decode.LinkPrism, "00000044 00000090" + strings.Repeat("00", 136) + qos},
	} {
		frame := append(packettest.Hex(tt.header), query...)
		for expr, want := range map[string]bool{
			"udp port 53": true, "host 192.0.2.53 and not tcp": true, "dst port 5000": false, "ip6 or arp": false, "len < 300": true,
		} {
			p, err := filter.Compile(expr, tt.link)
			require.NoError(t, err)
			require.Equal(t, want, p.Match(frame, uint32(len(frame))), "%d %s: %s", tt.link, expr, p)
		}
	}
	for expr, want := range map[string]bool{
		"ether dst 02:00:00:00:00:03": true, "ether src 02:00:00:00:00:02": true, "ether host 02:00:00:00:00:01": false, "ether multicast": false,
	} {
		p, err := filter.Compile(expr, decode.LinkWiFi)
		require.NoError(t, err)
		// the frame goes to the distribution system
		require.Equal(t, want, p.Match(packettest.Hex(wlan), 300), expr)
	}
}
