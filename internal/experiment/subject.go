package experiment

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/governor-project/governor/internal/cgroup"
	"github.com/governor-project/governor/internal/cpuset"
	"github.com/governor-project/governor/internal/docker"
)

// subject is one running container of the experiment.
type subject struct {
	id        string
	role      string
	startedAt time.Time     // by the engine's clock, which is the host's
	original  cgroup.Limits // what the container was created with
	group     *cgroup.Group
	watch     *watch
	log       *transcript

	cancel context.CancelFunc
	reader sync.WaitGroup
}

// attach begins to read a started container's log and cgroup.
func (l *lab) attach(ctx context.Context, role, id string, s *sampler) (*subject, error) {
	info, err := l.docker.Inspect(ctx, id)
	if err != nil {
		return nil, err
	}
	if info.PID == 0 {
		return nil, fmt.Errorf("the %s container %s is %s and not running; exit status %d, %s", role, docker.ShortID(id), info.State, info.ExitStatus, info.Problem)
	}
	group, err := l.cgroups.GroupOf(info.PID)
	if err != nil {
		return nil, err
	}
	original, err := l.originalLimits(info.Limits)
	if err != nil {
		return nil, err
	}
	watch, err := s.watch(group)
	if err != nil {
		return nil, err
	}
	sub := &subject{id: info.ID, role: role, startedAt: info.StartedAt, original: original, group: group, watch: watch, log: newTranscript()}
	readCtx, cancel := context.WithCancel(ctx)
	sub.cancel = cancel
	sub.reader.Go(func() {
		defer sub.log.close()
		stderr := &tail{}
		_ = l.docker.Logs(readCtx, id, docker.LogOptions{Follow: true}, sub.log, stderr) // an end of the log shows in the transcript
		sub.log.fail(stderr.String())
	})
	return sub, nil
}

// detach ends the reading of the log.
func (s *subject) detach() {
	s.cancel()
	s.reader.Wait()
}

// originalLimits are the limits that the engine gave to the container, from its
// configuration: the agent may have changed the cgroup already.
func (l *lab) originalLimits(d docker.Limits) (cgroup.Limits, error) {
	cpus, err := cpuset.Parse(d.CPUs)
	if err != nil {
		return cgroup.Limits{}, err
	}
	const dockerDefaultShares = 1024
	out := cgroup.Limits{Shares: d.Shares, CPUs: cpus, Quota: cgroup.Quota{QuotaUS: cgroup.NoQuota, PeriodUS: cgroup.DefaultPeriodUS}}
	if out.Shares == 0 {
		out.Shares = dockerDefaultShares
	}
	if d.Quota > 0 {
		out.Quota.QuotaUS = int64(math.Round(d.Quota * cgroup.DefaultPeriodUS))
	}
	return out, nil
}

// restored compares the kernel's limits with the original ones. The text says
// what differs; it is empty when nothing does.
func (s *subject) restored() (difference string, err error) {
	now, err := s.group.Limits()
	if err != nil {
		return "", err
	}
	want := s.original
	switch {
	case s.group.Version() == cgroup.V1 && now.Shares != want.Shares,
		s.group.Version() == cgroup.V2 && cgroup.WeightOfShares(now.Shares) != cgroup.WeightOfShares(want.Shares):
		return fmt.Sprintf("%s: shares are %d and were %d", s.role, now.Shares, want.Shares), nil
	case math.Abs(now.Quota.CPUs()-want.Quota.CPUs()) > 1e-6:
		return fmt.Sprintf("%s: the quota is %s and was %s", s.role, now.Quota, want.Quota), nil
	case !want.CPUs.IsEmpty() && !now.CPUs.Equal(want.CPUs):
		return fmt.Sprintf("%s: the cpuset is %s and was %s", s.role, now.CPUs, want.CPUs), nil
	}
	return "", nil
}

// tail keeps the last bytes that were written to it.
type tail struct{ text []byte }

const tailLength = 2000

func (t *tail) Write(p []byte) (int, error) {
	t.text = append(t.text, p...)
	if extra := len(t.text) - tailLength; extra > 0 {
		t.text = append(t.text[:0], t.text[extra:]...)
	}
	return len(p), nil
}

func (t *tail) String() string { return string(t.text) }
