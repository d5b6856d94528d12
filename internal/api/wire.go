// Package api is what the agent and those who talk to it share: the types on
// the wire, the client over the Unix socket, and how a component puts its own
// paths on the agent's API.
//
// The types here are the contract with users' scripts: fields may be added and
// never change their meaning. Errors travel as Problem.
package api

import "time"

// DefaultSocket is where the agent listens.
const DefaultSocket = "/run/governor/governor.sock"

// Container is one container as GET /v1/containers/{guid} returns it.
type Container struct {
	GUID      string     `json:"guid"`
	App       string     `json:"app,omitempty"`
	Container string     `json:"container,omitempty"` // its key in the app file
	Name      string     `json:"name"`                // Docker's
	ID        string     `json:"id"`                  // full Docker ID
	Image     string     `json:"image"`
	State     string     `json:"state"` // NotReady, Pending, Ready, Stopping, Stopped, Terminating, Terminated or Failed
	Reason    string     `json:"reason,omitempty"`
	Class     string     `json:"class"`
	Objective string     `json:"objective,omitempty"` // e.g. p95 ≤ 50ms (trace)
	PID       int        `json:"pid,omitempty"`
	StartedAt *time.Time `json:"started_at,omitempty"`
	Restarts  int        `json:"restarts,omitempty"`
	Addresses []string   `json:"addresses,omitempty"`
	Ports     []Port     `json:"ports,omitempty"`
}

// Port is one published port.
type Port struct {
	Container uint16 `json:"container"`
	Host      uint16 `json:"host"`
	Protocol  string `json:"protocol"`
	HostIP    string `json:"host_ip,omitempty"`
	URL       string `json:"url,omitempty"` // for TCP: where to find it from this host
}

// Containers is the body of GET /v1/containers?app=&state=.
type Containers struct {
	Containers []Container `json:"containers"`
}

// App is one application as GET /v1/apps/{app} returns it.
type App struct {
	Name       string      `json:"name"`
	State      string      `json:"state"` // that of the container which needs the most attention
	Class      string      `json:"class"`
	Objective  string      `json:"objective,omitempty"`
	Containers []Container `json:"containers"`
}

// Apps is the body of GET /v1/apps.
type Apps struct {
	Apps []App `json:"apps"`
}

// UpResult is the body of a POST /v1/apps that succeeded.
type UpResult struct {
	Apps    map[string]App `json:"apps"` // by name
	Created int            `json:"created"`
	Kept    int            `json:"kept"` // containers that were there already
}

// DownResult is the body of DELETE /v1/apps/{app}.
type DownResult struct {
	Removed []Container `json:"removed"`
}

// Plan is the body of POST /v1/apps:plan.
type Plan struct {
	Steps []Step `json:"steps"`
}

// Step is what would become of one container.
type Step struct {
	Action    string `json:"action"` // create, keep, replace or remove
	App       string `json:"app"`
	Container string `json:"container,omitempty"`
	Name      string `json:"name"`
	Image     string `json:"image,omitempty"`
	GUID      string `json:"guid,omitempty"` // of the container that is there
}

// Heartbeat is the body of GET /v1/heartbeat.
type Heartbeat struct {
	AgentID   string         `json:"agent_id"`
	Version   string         `json:"version"`
	Host      string         `json:"host"`
	Time      time.Time      `json:"time"`
	Engine    Engine         `json:"engine"`
	Inventory Inventory      `json:"inventory"`
	Apps      []AppHeartbeat `json:"apps"`
}

// Engine is the Docker engine behind the agent.
type Engine struct {
	Endpoint string `json:"endpoint,omitempty"`
	Version  string `json:"version,omitempty"`
	API      string `json:"api,omitempty"`
	Problem  string `json:"problem,omitempty"` // why it cannot be used now
}

// Inventory is how much the agent knows of the host.
type Inventory struct {
	Synced     bool `json:"synced"`
	Containers int  `json:"containers"` // of the whole host, managed or not
}

// AppHeartbeat is the state of one app.
type AppHeartbeat struct {
	Name       string            `json:"name"`
	Class      string            `json:"class"`
	State      string            `json:"state"`
	Containers map[string]string `json:"containers"` // GUID → state
}
