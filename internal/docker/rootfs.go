package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"os"
)

// BinaryPath is where ImportBinary puts the program inside the image.
const BinaryPath = "/app"

// ImportBinary makes the image ref from scratch: its only file is the static
// program at the host path binary, which is also the entry point. Further
// changes are Dockerfile lines such as `ENV KEY=value` or `LABEL a=b`.
func ImportBinary(ctx context.Context, c Client, ref, binary string, changes ...string) error {
	content, err := os.ReadFile(binary)
	if err != nil {
		return fmt.Errorf("make image %s: %w", ref, err)
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	if err := writeRoot(w, content); err != nil {
		return fmt.Errorf("make image %s: %w", ref, err)
	}
	changes = append([]string{fmt.Sprintf("ENTRYPOINT [%q]", BinaryPath)}, changes...)
	return c.ImageImport(ctx, ref, &archive, changes...)
}

func writeRoot(w *tar.Writer, program []byte) error {
	// A world-writable /tmp, as any program may expect of a Unix system.
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "tmp/", Mode: 0o1777}); err != nil {
		return err
	}
	header := &tar.Header{Typeflag: tar.TypeReg, Name: BinaryPath[1:], Mode: 0o755, Size: int64(len(program))}
	if err := w.WriteHeader(header); err != nil {
		return err
	}
	if _, err := w.Write(program); err != nil {
		return err
	}
	return w.Close()
}
