package experiment

import (
	"fmt"
	"os"
	"testing"
)

// envRole makes the test binary play another program; see roles.
const envRole = "GOVERNOR_EXPERIMENT_TEST_ROLE"

// roles are the programs that the test binary can play. Files with build tags
// add theirs in their own init.
var roles = map[string]func() error{
	"broken": func() error { return fmt.Errorf("receivers::jaeger: port 6831 is in use") },
	"silent": func() error { select {} },
}

func TestMain(m *testing.M) {
	role, ok := roles[os.Getenv(envRole)]
	if !ok {
		os.Exit(m.Run())
	}
	if err := role(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
