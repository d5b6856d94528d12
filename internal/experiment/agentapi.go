package experiment

import (
	"context"
	"errors"
	"fmt"

	"github.com/governor-project/governor/internal/api"
)

// resultWritten is the result of a decision that changed a limit.
const resultWritten = "written"

var errNotSynced = errors.New("it does not know the host's containers yet")

// ready is nil when the agent answers and knows the containers of the host.
func ready(ctx context.Context, c *api.Client) error {
	heartbeat, err := c.Heartbeat(ctx)
	if err == nil && !heartbeat.Inventory.Synced {
		return errNotSynced
	}
	return err
}

// up registers an app file with one container, as "governor up" does, and
// returns the container's Docker ID.
func up(ctx context.Context, c *api.Client, app string, file []byte) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	result, err := c.Up(ctx, app+".yaml", file)
	if err != nil {
		return "", err
	}
	containers := result.Apps[app].Containers
	if len(containers) != 1 {
		return "", fmt.Errorf("the agent has started %d containers for %s, and not 1", len(containers), app)
	}
	return containers[0].ID, nil
}

// decisions returns all decisions that the agent still remembers, oldest first.
func decisions(ctx context.Context, c *api.Client) ([]api.Decision, error) {
	const page = 500
	var all []api.Decision
	for after := uint64(0); ; {
		answer, err := c.Decisions(ctx, after, page)
		if err != nil {
			return nil, err
		}
		n := len(answer.Decisions)
		if n == 0 || answer.Decisions[n-1].Seq <= after {
			return all, nil
		}
		all = append(all, answer.Decisions...)
		after = answer.Decisions[n-1].Seq
	}
}

// written keeps the decisions that changed a limit of the experiment's own
// containers: the host may have others that the agent looks after.
func written(all []api.Decision) []api.Decision {
	var out []api.Decision
	for _, d := range all {
		if d.Result == resultWritten && (d.App == serviceApp || d.App == interferenceApp) {
			out = append(out, d)
		}
	}
	return out
}

// countWrites is the number of limits that the agent wrote since its start.
// Decisions that it has forgotten count as writes.
func countWrites(all []api.Decision) int {
	if len(all) == 0 {
		return 0
	}
	return len(written(all)) + int(all[0].Seq-1)
}
