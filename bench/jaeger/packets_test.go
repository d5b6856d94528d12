package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPacketsSurviveAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "packets")
	packets := []packet{{3, []byte("abc")}, {1, []byte{0}}, {160, bytes.Repeat([]byte{7}, maxDatagram)}}
	require.NoError(t, savePackets(path, packets))
	got, err := loadPackets(path)
	require.NoError(t, err)
	assert.Equal(t, packets, got)
	assert.InDelta(t, 164.0/3, spansPerPacket(got), 1e-9)
}

func TestBadPacketFiles(t *testing.T) {
	for content, message := range map[string]string{
		"":                                   "packet 0: EOF",
		"\x01\x00":                           "packet 0: unexpected EOF",
		"\x01\x00\x00\x00\x02\x00\x00\x00":   "packet 0: EOF",
		"\x01\x00\x00\x00\x02\x00\x00\x00a":  "packet 0: unexpected EOF",
		"\x00\x00\x00\x00\x02\x00\x00\x00ab": "packet 0: 0 spans in 2 bytes: must be at least 1 in 1 to 65507",
		"\x01\x00\x00\x00\x01\x00\x00\x00a\x01\x00\x00\x00":                 "packet 1: unexpected EOF",
		"\x01\x00\x00\x00\x01\x00\x00\x00a\x01\x00\x00\x00\xff\xff\xff\xff": "packet 1: 1 spans in 4294967295 bytes: must be at least 1 in 1 to 65507",
	} {
		path := filepath.Join(t.TempDir(), "packets")
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		_, err := loadPackets(path)
		require.EqualError(t, err, "packets of "+path+": "+message)
	}
}

func FuzzReadPackets(f *testing.F) {
	f.Add([]byte("\x01\x00\x00\x00\x01\x00\x00\x00a"))
	f.Add([]byte("\x01\x00\x00\x00\xff\xff\x00\x00a"))
	f.Fuzz(func(t *testing.T, content []byte) {
		packets, err := readPackets(bytes.NewReader(content))
		if err == nil {
			require.NotEmpty(t, packets)
		}
	})
}
