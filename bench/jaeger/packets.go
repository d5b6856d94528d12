package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// maxDatagram is the largest UDP payload over IPv4, in bytes.
const maxDatagram = 65507

// packet is one datagram of the compact protocol.
type packet struct {
	spans int
	data  []byte
}

// spansPerPacket is the mean over packets.
func spansPerPacket(packets []packet) float64 {
	spans := 0
	for _, p := range packets {
		spans += p.spans
	}
	return float64(spans) / float64(len(packets))
}

// savePackets writes each packet as its number of spans, its length (both uint32,
// little-endian) and its bytes.
func savePackets(path string, packets []packet) error {
	var out []byte
	for _, p := range packets {
		out = binary.LittleEndian.AppendUint32(out, uint32(p.spans))
		out = binary.LittleEndian.AppendUint32(out, uint32(len(p.data)))
		out = append(out, p.data...)
	}
	return os.WriteFile(path, out, 0o600)
}

// loadPackets reads what savePackets wrote.
func loadPackets(path string) ([]packet, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	packets, err := readPackets(file)
	if err != nil {
		return nil, fmt.Errorf("packets of %s: %w", path, err)
	}
	return packets, nil
}

func readPackets(in io.Reader) ([]packet, error) {
	var packets []packet
	for {
		var head [2]uint32
		err := binary.Read(in, binary.LittleEndian, &head)
		if errors.Is(err, io.EOF) && len(packets) > 0 {
			return packets, nil
		}
		if err != nil {
			return nil, fmt.Errorf("packet %d: %w", len(packets), err)
		}
		if head[0] == 0 || head[1] == 0 || head[1] > maxDatagram {
			return nil, fmt.Errorf("packet %d: %d spans in %d bytes: must be at least 1 in 1 to %d", len(packets), head[0], head[1], maxDatagram)
		}
		data := make([]byte, head[1])
		if _, err := io.ReadFull(in, data); err != nil {
			return nil, fmt.Errorf("packet %d: %w", len(packets), err)
		}
		packets = append(packets, packet{spans: int(head[0]), data: data})
	}
}
