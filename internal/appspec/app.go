package appspec

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/governor-project/governor/internal/cpuset"
)

// File is everything that one app file declares, defaults filled in.
type File struct {
	Apps []App `json:"apps"` // sorted by name
}

// App is one application.
type App struct {
	Name       string            `json:"name"`
	Policy     Policy            `json:"policy"`
	Tags       map[string]string `json:"tags,omitempty"`
	AutoDelete bool              `json:"auto_delete,omitempty"` // clean-up may remove it
	Containers []Container       `json:"containers"`            // sorted by name
}

// Container is one entry below an app's containers. With Replicas above 1 it
// stands for that many equal containers.
type Container struct {
	Name      string            `json:"name"`
	Image     string            `json:"image"`
	Command   []string          `json:"command,omitempty"`
	Env       map[string]string `json:"env,omitempty"`
	Ports     []Port            `json:"ports,omitempty"`
	DependsOn []string          `json:"depends_on,omitempty"` // names in the same app
	Restart   string            `json:"restart"`              // no, always, unless-stopped, on-failure[:N]
	CPUs      cpuset.Set        `json:"cpuset,omitzero"`      // empty: all
	Quota     float64           `json:"quota,omitempty"`      // CPUs; 0: none
	Memory    int64             `json:"memory,omitempty"`     // bytes; 0: no limit
	Replicas  int               `json:"replicas"`             // ≥ 1
	Pull      Pull              `json:"pull"`
}

// Pull says when an image is fetched.
type Pull string

// The pull rules; the default is PullMissing.
const (
	PullMissing Pull = "missing"
	PullAlways  Pull = "always"
	PullNever   Pull = "never"
)

// Port is one published port.
type Port struct {
	HostIP    string `json:"host_ip,omitempty"` // "": all addresses
	Host      uint16 `json:"host"`              // 0: a free one
	Container uint16 `json:"container"`
	Protocol  string `json:"protocol"` // tcp or udp
}

// String is the form of the app file.
func (p Port) String() string {
	text := fmt.Sprintf("%d:%d/%s", p.Host, p.Container, p.Protocol)
	if p.HostIP != "" {
		return p.HostIP + ":" + text
	}
	return text
}

// DockerName is the name of the n-th replica (from 1) on the host.
func DockerName(app string, c Container, n int) string {
	name := app + "-" + c.Name
	if c.Replicas > 1 {
		name += "-" + strconv.Itoa(n)
	}
	return name
}

// ImageName is the last part of an image reference, without registry, path, tag
// and digest: hotrod for registry:5000/team/hotrod:1.
func ImageName(ref string) string {
	ref, _, _ = strings.Cut(ref, "@")
	name, _, _ := strings.Cut(path.Base(ref), ":")
	return name
}

// specHashLength is how many hexadecimal digits of the digest are kept: enough
// to tell versions of one container apart, short enough for a label.
const specHashLength = 16

// SpecHash is equal for two containers exactly when nothing differs that a
// running container cannot take on without being made anew.
func SpecHash(app App, c Container) string {
	c.Replicas = 1 // the number of replicas changes none of them
	text, err := json.Marshal(struct {
		Policy    Policy
		Tags      map[string]string
		Container Container
	}{app.Policy, app.Tags, c})
	if err != nil {
		panic(fmt.Sprintf("appspec: a validated spec can always be written: %v", err)) // only NaN and infinity cannot, and Parse refuses both
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])[:specHashLength]
}

// App finds an app by name.
func (f File) App(name string) (App, bool) {
	for _, a := range f.Apps {
		if a.Name == name {
			return a, true
		}
	}
	return App{}, false
}
