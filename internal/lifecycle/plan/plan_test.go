package plan

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/governor-project/governor/internal/appspec"
)

// The table, written a second time as a picture: S start, P stop, R restart, D remove.
func TestWhatIsAllowedInEachState(t *testing.T) {
	letters := map[Operation]string{Start: "S", Stop: "P", Restart: "R", Remove: "D"}
	for state, want := range map[State]string{
		NotReady: "SD", Pending: "PD", Ready: "PRD", Stopping: "D", Stopped: "SRD", Terminating: "", Terminated: "", Failed: "SRD",
	} {
		var got string
		for _, op := range []Operation{Start, Stop, Restart, Remove} {
			during, to, err := Begin(op, state)
			if err == nil {
				got += letters[op]
				assert.Contains(t, States(), during)
				assert.Contains(t, States(), to)
				continue
			}
			var refused *NotAllowedError
			require.ErrorAs(t, err, &refused)
			assert.Equal(t, state, refused.State)
		}
		assert.Equal(t, want, got, state)
	}
	_, _, err := Begin(Start, Ready)
	assert.EqualError(t, err, "start is not allowed in the state Ready; it is allowed in NotReady, Stopped, Failed")
	_, _, err = Begin("fly", Ready)
	assert.Error(t, err)
}

func TestObserve(t *testing.T) {
	for _, c := range []struct {
		in     Observation
		state  State
		reason string
	}{
		{Observation{Engine: "created"}, NotReady, ""},
		{Observation{Engine: "created", Problem: "port is already allocated"}, Failed, "port is already allocated"},
		{Observation{Engine: "running"}, Ready, ""},
		{Observation{Engine: "running", Health: "starting"}, Pending, "its health check has not passed yet"},
		{Observation{Engine: "running", Health: "healthy"}, Ready, ""},
		{Observation{Engine: "running", Health: "unhealthy"}, Failed, "its health check fails"},
		{Observation{Engine: "paused"}, Stopped, "paused"},
		{Observation{Engine: "restarting", ExitStatus: 3}, Pending, "its restart policy starts it again after exit status 3"},
		{Observation{Engine: "removing"}, Terminating, ""},
		{Observation{Engine: "exited"}, Stopped, ""},
		{Observation{Engine: "exited", ExitStatus: 143}, Stopped, ""},
		{Observation{Engine: "exited", ExitStatus: 137}, Failed, "ended with exit status 137"},
		{Observation{Engine: "exited", ExitStatus: 137, WasStopped: true}, Stopped, ""},
		{Observation{Engine: "exited", ExitStatus: 137, OOMKilled: true, WasStopped: true}, Failed, "killed for want of memory"},
		{Observation{Engine: "exited", ExitStatus: 127, Problem: "no such file"}, Failed, "no such file"},
		{Observation{Engine: "dead"}, Failed, `the engine calls it "dead"`},
		{Observation{}, Failed, `the engine calls it ""`},
	} {
		state, reason := Observe(c.in)
		assert.Equal(t, c.state, state, "%+v", c.in)
		assert.Equal(t, c.reason, reason, "%+v", c.in)
	}
}

func TestAppState(t *testing.T) {
	assert.Equal(t, Terminated, AppState(nil))
	assert.Equal(t, Ready, AppState([]State{Ready, Ready}))
	assert.Equal(t, Failed, AppState([]State{Ready, Failed, Stopped}))
	assert.Equal(t, Stopped, AppState([]State{Ready, Stopped}))
	assert.ElementsMatch(t, States(), ofApp(), "every state has its place")
}

func TestParseState(t *testing.T) {
	got, err := ParseState("notready")
	require.NoError(t, err)
	assert.Equal(t, NotReady, got)
	_, err = ParseState("fine")
	assert.ErrorContains(t, err, `state "fine" is unknown; allowed are NotReady, Pending`)
}

func free(string) bool { return false }

func TestNewGUID(t *testing.T) {
	random := strings.NewReader("\x00\x11\x22\x33\x44\x55\xff\xff\xff\xff\xff\xff")
	guid, err := NewGUID("localhost:5000/team/hotrod:1", random, free)
	require.NoError(t, err)
	assert.Equal(t, "hotrod-001122334455", guid)

	random = strings.NewReader("\x00\x11\x22\x33\x44\x55\xff\xff\xff\xff\xff\xff")
	guid, err = NewGUID("hotrod", random, func(guid string) bool { return guid == "hotrod-001122334455" })
	require.NoError(t, err)
	assert.Equal(t, "hotrod-ffffffffffff", guid, "a taken one is not given twice")

	_, err = NewGUID("hotrod", bytes.NewReader(make([]byte, 1000)), func(string) bool { return true })
	assert.Error(t, err)
	_, err = NewGUID("hotrod", iotest.ErrReader(errors.New("no entropy")), free)
	assert.ErrorContains(t, err, "no entropy")
}

func TestEnvironment(t *testing.T) {
	s := Surroundings{GUIDEnv: []string{"GOVERNOR_GUID", "SUPB_GUID"}, HostAddress: "172.17.0.1", OTLPPort: 4318, JaegerAgentPort: 6831}
	c := appspec.Container{Name: "frontend", Env: map[string]string{
		"KEY": "value", "JAEGER_SERVICE_NAME": "mine", "GOVERNOR_GUID": "forged", "OTEL_RESOURCE_ATTRIBUTES": "team=shop",
	}}
	assert.Equal(t, map[string]string{
		"GOVERNOR_GUID": "hotrod-1", "SUPB_GUID": "hotrod-1",
		"OTEL_SERVICE_NAME":           "frontend",
		"OTEL_RESOURCE_ATTRIBUTES":    "service.instance.id=hotrod-1,governor.guid=hotrod-1,governor.app=shop,team=shop",
		"OTEL_EXPORTER_OTLP_ENDPOINT": "http://172.17.0.1:4318",
		"JAEGER_SERVICE_NAME":         "mine",
		"JAEGER_AGENT_HOST":           "172.17.0.1",
		"JAEGER_AGENT_PORT":           "6831",
		"HOST_IP":                     "172.17.0.1",
		"KEY":                         "value",
	}, Environment(s, "hotrod-1", "shop", c))
	s.HostAddress = "fd00::1"
	assert.Equal(t, "http://[fd00::1]:4318", Environment(s, "g", "a", c)["OTEL_EXPORTER_OTLP_ENDPOINT"])
}

func shop(t testing.TB, text string) appspec.File {
	t.Helper()
	file, err := appspec.Parse("shop.yaml", []byte(text), appspec.Options{})
	require.NoError(t, err)
	return file
}

const twoContainers = `apps:
  shop:
    containers:
      a: {image: hotrod:1, depends_on: [z]}
      z: {image: redis:7, replicas: 2}
`

func presentAfter(plan Plan) (out []Present) {
	for _, s := range plan.Only(Create) {
		out = append(out, Present{ID: s.Name, Name: s.Name, App: s.App.Name, SpecHash: s.SpecHash})
	}
	return out
}

func TestPlanOfNothingCreatesInOrder(t *testing.T) {
	plan := Make(shop(t, twoContainers), nil)
	var got []string
	for _, s := range plan.Steps {
		got = append(got, string(s.Action)+" "+s.Name)
	}
	assert.Equal(t, []string{"create shop-z-1", "create shop-z-2", "create shop-a"}, got)
	assert.Equal(t, []string{"shop"}, plan.Apps())
}

func TestPlanShowsWhatDiffers(t *testing.T) {
	first := Make(shop(t, twoContainers), nil)
	again := Make(shop(t, twoContainers), presentAfter(first))
	assert.Len(t, again.Only(Keep), 3, "nothing to do")

	changed := strings.Replace(strings.Replace(twoContainers, "hotrod:1", "hotrod:2", 1), ", replicas: 2", "", 1)
	others := append(presentAfter(first), Present{Name: "mall-x", App: "mall"})
	plan := Make(shop(t, changed), others)
	var got []string
	for _, s := range plan.Steps {
		got = append(got, string(s.Action)+" "+s.Name)
	}
	assert.Equal(t, []string{"create shop-z", "replace shop-a", "remove shop-z-1", "remove shop-z-2"}, got, "other apps are left alone")
}

func TestPlanNeverKeepsAForeignContainerOfTheSameName(t *testing.T) {
	plan := Make(shop(t, twoContainers), []Present{{Name: "shop-a", App: "other", SpecHash: Make(shop(t, twoContainers), nil).Steps[2].SpecHash}})
	assert.Len(t, plan.Only(Replace), 1)
}

// Whatever is there, applying a plan leaves exactly what is declared.
func TestApplyingAPlanGivesWhatIsDeclared(t *testing.T) {
	file := shop(t, twoContainers)
	all := presentAfter(Make(file, nil))
	all = append(all, Present{Name: "shop-old", App: "shop"}, Present{Name: "shop-a", App: "shop", SpecHash: "other"}, Present{Name: "mall-x", App: "mall"})
	rapid.Check(t, func(t *rapid.T) {
		present := map[string]Present{}
		for _, p := range rapid.SliceOf(rapid.SampledFrom(all)).Draw(t, "present") {
			present[p.Name] = p
		}
		var list []Present
		for _, p := range present {
			list = append(list, p)
		}
		_, mall := present["mall-x"]
		for _, s := range Make(file, list).Steps {
			switch s.Action {
			case Create, Replace:
				present[s.Name] = Present{Name: s.Name, App: s.App.Name, SpecHash: s.SpecHash}
			case Discard:
				delete(present, s.Name)
			}
		}
		want := presentAfter(Make(file, nil))
		if mall {
			want = append(want, Present{Name: "mall-x", App: "mall"})
		}
		if len(present) != len(want) {
			t.Fatalf("%v is left, want %v", present, want)
		}
		for _, w := range want {
			if got := present[w.Name]; got.SpecHash != w.SpecHash || got.App != w.App {
				t.Fatalf("%s: %+v, want %+v", w.Name, got, w)
			}
		}
	})
}

func TestRemovalOrderIsNewestFirst(t *testing.T) {
	in := []int64{2, 3, 1}
	assert.Equal(t, []int64{3, 2, 1}, RemovalOrder(in, func(v int64) int64 { return v }))
	assert.True(t, slices.Equal([]int64{2, 3, 1}, in), "the input is not changed")
}
