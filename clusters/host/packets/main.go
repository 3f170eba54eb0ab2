// Command packets writes down which packets pass through a node and through the pods on it.
//
// Its one argument is a request as JSON. It listens on every interface of its own network namespace ("node"), and of
// each namespace below /var/run/netns that has one of the addresses. A packet counts when its beginning holds both
// addresses of a pair, wherever they stand: in a packet that is wrapped into another, in a question for a hardware
// address, in an error that quotes it. Without pairs every packet counts.
//
// It prints JSON, one value a line: what it listens on as soon as it listens, each packet, and at the end whether that
// is all. With "flows" there is one line for each way that packets went instead, with their number. It ends when
// standard input does, and by itself after "seconds".
package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

type request struct {
	Addresses []string    `json:"addresses"`
	Pairs     [][2]string `json:"pairs"`
	Seconds   int         `json:"seconds"`
	Bytes     int         `json:"bytes"`
	Packets   int         `json:"packets"`
	Flows     bool        `json:"flows"`
}

// place is where an address is: in which namespace, on which interface.
type place struct {
	At        string `json:"at"`
	Interface string `json:"interface"`
}

type packet struct {
	Us        int64  `json:"us"`
	At        string `json:"at"`
	Interface string `json:"interface"`
	Out       bool   `json:"out"`
	Protocol  int    `json:"protocol"`
	Length    int    `json:"length"`
	Data      []byte `json:"data"`
}

// flow is a way that packets went; the smaller port is taken for that of the server.
type flow struct {
	Interface string `json:"interface"`
	Out       bool   `json:"out"`
	From      string `json:"from"`
	To        string `json:"to"`
	Protocol  int    `json:"protocol"`
	Port      int    `json:"port"`
}

type counted struct {
	flow
	Packets int `json:"packets"`
}

// ear is a socket that hears all interfaces of one namespace.
type ear struct {
	at     string
	socket int
	names  map[int]string
}

type recorder struct {
	sync.Mutex
	request request
	pairs   [][2][]byte
	out     *json.Encoder
	packets int
	flows   map[flow]int
}

// setns(2) has no name in the standard library.
var setnsNumber = map[string]uintptr{"amd64": 308, "arm64": 268}[runtime.GOARCH]

func main() {
	if err := record(); err != nil {
		fmt.Fprintln(os.Stderr, "packets:", err)
		os.Exit(1)
	}
}

func record() error {
	r := recorder{out: json.NewEncoder(os.Stdout), flows: map[flow]int{}}
	if len(os.Args) != 2 {
		return fmt.Errorf("expected one argument, a request as JSON")
	}
	if err := json.Unmarshal([]byte(os.Args[1]), &r.request); err != nil {
		return err
	}
	for _, pair := range r.request.Pairs {
		a, errA := netip.ParseAddr(pair[0])
		b, errB := netip.ParseAddr(pair[1])
		if errA != nil || errB != nil {
			return fmt.Errorf("no addresses: %v", pair)
		}
		r.pairs = append(r.pairs, [2][]byte{a.AsSlice(), b.AsSlice()})
	}
	ears, places, err := openAll(r.request.Addresses)
	if err != nil {
		return err
	}
	for _, each := range ears {
		go r.listen(each)
	}
	r.print(map[string]any{"ready": places})
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(time.Duration(r.request.Seconds) * time.Second):
	}
	// What the sockets still hold.
	time.Sleep(100 * time.Millisecond)
	r.finish(ears)
	return nil
}

func (r *recorder) print(value any) {
	r.Lock()
	defer r.Unlock()
	_ = r.out.Encode(value)
}

func (r *recorder) finish(ears []ear) {
	dropped := 0
	for _, each := range ears {
		dropped += droppedBy(each.socket)
	}
	r.Lock()
	defer r.Unlock()
	for way, packets := range r.flows {
		_ = r.out.Encode(counted{way, packets})
	}
	lost := dropped + max(0, r.packets-r.request.Packets)
	_ = r.out.Encode(map[string]any{"end": map[string]int{"lost": lost}})
	// A line that is being written would be cut off, and nobody may write behind the last one.
	os.Exit(0)
}

// openAll opens a socket in this namespace and in each that has one of the addresses.
func openAll(addresses []string) ([]ear, map[string]place, error) {
	places := map[string]place{}
	own, err := open("node", addresses, places)
	if err != nil {
		return nil, nil, err
	}
	ears := []ear{own}
	files, _ := filepath.Glob("/var/run/netns/*")
	for _, file := range files {
		each, found := openIn(file, addresses, places)
		if found {
			ears = append(ears, each)
		}
	}
	return ears, places, nil
}

// openIn does so from a thread of its own, which ends with it. A namespace that cannot be entered is on its way out.
func openIn(file string, addresses []string, places map[string]place) (ear, bool) {
	opened, found := ear{}, false
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		namespace, err := os.Open(file)
		if err != nil {
			return
		}
		defer namespace.Close()
		if _, _, errno := syscall.RawSyscall(setnsNumber, namespace.Fd(), syscall.CLONE_NEWNET, 0); errno != 0 {
			return
		}
		before := len(places)
		opened, err = open(filepath.Base(file), addresses, places)
		found = err == nil && len(places) > before
	}()
	<-done
	return opened, found
}

// open hears all interfaces of the namespace of this thread, and notes which of the addresses are there; of the node all.
func open(at string, addresses []string, places map[string]place) (ear, error) {
	names := map[int]string{}
	interfaces, err := net.Interfaces()
	if err != nil {
		return ear{}, err
	}
	for _, each := range interfaces {
		names[each.Index] = each.Name
		known, _ := each.Addrs()
		for _, address := range known {
			text, _, _ := net.ParseCIDR(address.String())
			_, taken := places[text.String()]
			if !taken && (at == "node" || slices.Contains(addresses, text.String())) {
				places[text.String()] = place{at, each.Name}
			}
		}
	}
	const everything = syscall.ETH_P_ALL<<8&0xff00 | syscall.ETH_P_ALL>>8
	// Without the headers of the link: they are of many kinds.
	socket, err := syscall.Socket(syscall.AF_PACKET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, everything)
	if err != nil {
		return ear{}, fmt.Errorf("a packet socket: %w", err)
	}
	_ = syscall.SetsockoptInt(socket, syscall.SOL_SOCKET, syscall.SO_RCVBUFFORCE, 8<<20)
	err = syscall.SetsockoptInt(socket, syscall.SOL_SOCKET, syscall.SO_TIMESTAMPNS, 1)
	return ear{at, socket, names}, err
}

func (r *recorder) listen(from ear) {
	data, control := make([]byte, r.request.Bytes), make([]byte, 128)
	for {
		length, n, _, sender, err := syscall.Recvmsg(from.socket, data, control, syscall.MSG_TRUNC)
		if err == syscall.EINTR || err == syscall.ENETDOWN {
			continue
		}
		link, ok := sender.(*syscall.SockaddrLinklayer)
		if err != nil || !ok {
			return
		}
		head := data[:min(length, len(data))]
		if !r.wanted(head) {
			continue
		}
		seen := packet{
			Us:        stampOf(control[:n]),
			At:        from.at,
			Interface: from.name(link.Ifindex),
			Out:       link.Pkttype == syscall.PACKET_OUTGOING,
			Protocol:  int(link.Protocol<<8 | link.Protocol>>8),
			Length:    length,
			Data:      head,
		}
		r.write(seen)
	}
}

func (r *recorder) write(seen packet) {
	r.Lock()
	defer r.Unlock()
	if r.request.Flows {
		r.flows[flowOf(seen)]++
		return
	}
	r.packets++
	if r.packets <= r.request.Packets {
		_ = r.out.Encode(seen)
	}
}

func (r *recorder) wanted(head []byte) bool {
	for _, pair := range r.pairs {
		if bytes.Contains(head, pair[0]) && bytes.Contains(head, pair[1]) {
			return true
		}
	}
	return len(r.pairs) == 0
}

// name knows interfaces that came later in this namespace only.
func (e *ear) name(index int) string {
	if name, known := e.names[index]; known {
		return name
	}
	if found, err := net.InterfaceByIndex(index); err == nil && e.at == "node" {
		e.names[index] = found.Name
		return found.Name
	}
	return fmt.Sprintf("#%d", index)
}

// stampOf is when the kernel saw the packet, in microseconds.
func stampOf(control []byte) int64 {
	messages, err := syscall.ParseSocketControlMessage(control)
	if err == nil && len(messages) > 0 && len(messages[0].Data) >= 16 {
		stamp := messages[0].Data
		seconds, nanos := binary.NativeEndian.Uint64(stamp), binary.NativeEndian.Uint64(stamp[8:])
		return int64(seconds)*1_000_000 + int64(nanos)/1_000
	}
	return time.Now().UnixMicro()
}

// droppedBy is how many packets the kernel had no room for: struct tpacket_stats of packet(7).
func droppedBy(socket int) int {
	const solPacket, packetStatistics = 263, 6
	stats := [2]uint32{}
	size := uint32(unsafe.Sizeof(stats))
	_, _, _ = syscall.Syscall6(syscall.SYS_GETSOCKOPT, uintptr(socket), solPacket, packetStatistics,
		uintptr(unsafe.Pointer(&stats)), uintptr(unsafe.Pointer(&size)), 0)
	return int(stats[1])
}

func flowOf(seen packet) flow {
	way := flow{Interface: seen.Interface, Out: seen.Out, Protocol: -seen.Protocol}
	data, ports := seen.Data, []byte(nil)
	switch {
	case seen.Protocol == syscall.ETH_P_IP && len(data) >= 20:
		way.From, way.To = text(data[12:16]), text(data[16:20])
		way.Protocol = int(data[9])
		ports = data[min(len(data), int(data[0]&15)*4):]
	case seen.Protocol == syscall.ETH_P_IPV6 && len(data) >= 40:
		way.From, way.To = text(data[8:24]), text(data[24:40])
		way.Protocol = int(data[6])
		ports = data[40:]
	}
	if len(ports) >= 4 && (way.Protocol == syscall.IPPROTO_TCP || way.Protocol == syscall.IPPROTO_UDP) {
		way.Port = int(min(binary.BigEndian.Uint16(ports), binary.BigEndian.Uint16(ports[2:])))
	}
	return way
}

func text(address []byte) string {
	parsed, _ := netip.AddrFromSlice(address)
	return parsed.String()
}
