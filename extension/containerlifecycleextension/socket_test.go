package containerlifecycleextension

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSocketIsPrivateFromItsFirstMoment(t *testing.T) {
	old := syscall.Umask(0) // the widest there is: the mode is not the umask's doing
	defer syscall.Umask(old)
	path := filepath.Join(t.TempDir(), "new", "dir", "governor.sock")
	s, err := listen(t.Context(), path)
	require.NoError(t, err)
	info, err := os.Lstat(path)
	require.NoError(t, err)
	assert.Equal(t, os.ModeSocket|0o600, info.Mode())
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	assert.Len(t, entries, 1, "nothing else is left in the directory")
	conn, err := net.Dial("unix", path)
	require.NoError(t, err)
	require.NoError(t, conn.Close())

	_, err = listen(t.Context(), path)
	assert.EqualError(t, err, "another agent answers on "+path+"; end it first or choose another path")

	require.NoError(t, s.Close())
	require.NoError(t, s.remove())
	assert.NoFileExists(t, path)
	require.NoError(t, s.remove(), "a second time there is nothing to do")
}

func TestSocketOfADeadAgentIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "governor.sock")
	dead, err := listen(t.Context(), path)
	require.NoError(t, err)
	require.NoError(t, dead.Close()) // as after kill -9: the file stays
	require.FileExists(t, path)
	s, err := listen(t.Context(), path)
	require.NoError(t, err)
	require.NoError(t, dead.remove(), "the dead one does not remove what is not its own")
	require.FileExists(t, path)
	require.NoError(t, s.Close())
	require.NoError(t, s.remove())
}

func TestSocketRefusesWhatItMustNotReplace(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "precious")
	require.NoError(t, os.WriteFile(path, []byte("data"), 0o600))
	_, err := listen(t.Context(), path)
	assert.EqualError(t, err, path+" is there and is not a socket; remove it or choose another path")
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "data", string(data))

	_, err = listen(t.Context(), filepath.Join(path, "below", "s"))
	assert.Error(t, err)
}

func TestSocketPathMayBeAsLongAsTheKernelAllows(t *testing.T) {
	dir, err := os.MkdirTemp("", "g")
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, strings.Repeat("s", maxSocketPath-len(dir)-1))
	require.Len(t, path, maxSocketPath)
	s, err := listen(t.Context(), path)
	require.NoError(t, err)
	conn, err := net.Dial("unix", path)
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	require.NoError(t, s.Close())
	require.NoError(t, s.remove())
}
