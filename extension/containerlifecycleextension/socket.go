package containerlifecycleextension

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const (
	socketMode    = 0o600
	directoryMode = 0o755 // of the parent, when it has to be made; the socket itself is private
	probeTimeout  = 2 * time.Second
)

// socket is a Unix socket that nobody but its owner may ever connect to.
type socket struct {
	net.Listener
	path string
	made fs.FileInfo // to recognise it again
}

// listen makes the socket in a private directory and moves it to its place, so
// that there is no moment at which its mode is wider. The socket of an agent
// that is dead is replaced; that of a living one is an error.
func listen(ctx context.Context, path string) (*socket, error) {
	if err := free(ctx, path); err != nil {
		return nil, err
	}
	parent := filepath.Dir(path)
	if err := os.MkdirAll(parent, directoryMode); err != nil {
		return nil, fmt.Errorf("%s: make its directory: %w", path, err)
	}
	private, err := os.MkdirTemp(parent, ".g")
	if err != nil {
		return nil, fmt.Errorf("%s: write into its directory: %w", path, err)
	}
	defer os.RemoveAll(private)
	s := &socket{path: path}
	if s.Listener, err = bind(ctx, filepath.Join(private, "s")); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := s.place(filepath.Join(private, "s")); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), s.Close())
	}
	return s, nil
}

// bind opens the directory and binds below it through /proc, because the path
// of a socket may have 107 bytes only and the private one is longer than the
// user's.
func bind(ctx context.Context, path string) (net.Listener, error) {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "unix", fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path)))
	if err != nil {
		return nil, err
	}
	listener.(*net.UnixListener).SetUnlinkOnClose(false) // it does not stay where it was bound
	return listener, nil
}

func (s *socket) place(from string) (err error) {
	if err := os.Chmod(from, socketMode); err != nil {
		return err
	}
	if s.made, err = os.Lstat(from); err != nil {
		return err
	}
	return os.Rename(from, s.path)
}

// remove deletes the socket's file unless someone has put another in its place.
func (s *socket) remove() error {
	now, err := os.Lstat(s.path)
	if errors.Is(err, fs.ErrNotExist) || (err == nil && !os.SameFile(now, s.made)) {
		return nil
	}
	if err != nil {
		return err
	}
	return os.Remove(s.path)
}

// free says whether the path may be taken.
func free(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSocket == 0 {
		return fmt.Errorf("%s is there and is not a socket; remove it or choose another path", path)
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		_ = conn.Close()
		return fmt.Errorf("another agent answers on %s; end it first or choose another path", path)
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, fs.ErrNotExist):
		return nil // the agent that made it is dead
	}
	return fmt.Errorf("%s is there and cannot be tried: %w", path, err)
}
