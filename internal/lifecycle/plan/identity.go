package plan

import (
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"strconv"
	"strings"

	"github.com/governor-project/governor/internal/appspec"
)

// guidBytes gives 12 hexadecimal digits.
const guidBytes = 6

// guidAttempts bounds the search for a GUID that is free; with 48 random bits a
// second attempt is needed about once in 2^48 / (containers on the host) times.
const guidAttempts = 10

// NewGUID makes the identity of a new container: the image's name, '-' and 12
// random hexadecimal digits. taken says which GUIDs the host already has.
func NewGUID(image string, random io.Reader, taken func(guid string) bool) (string, error) {
	for range guidAttempts {
		var raw [guidBytes]byte
		if _, err := io.ReadFull(random, raw[:]); err != nil {
			return "", fmt.Errorf("make a GUID for image %s: %w", image, err)
		}
		guid := appspec.ImageName(image) + "-" + hex.EncodeToString(raw[:])
		if !taken(guid) {
			return guid, nil
		}
	}
	return "", fmt.Errorf("make a GUID for image %s: %d random ones in a row are taken", image, guidAttempts)
}

// Surroundings are what every container is told about its host.
type Surroundings struct {
	GUIDEnv         []string // names of the variables that carry the GUID
	HostAddress     string   // under which containers reach the agent, e.g. 172.17.0.1
	OTLPPort        int      // OTLP over HTTP
	JaegerAgentPort int      // compact thrift over UDP
}

// Environment is the environment of a new container: what Governor injects, and
// over it what the app file sets. Only the GUID cannot be overridden; resource
// attributes of the app file are added to Governor's.
func Environment(s Surroundings, guid, app string, c appspec.Container) map[string]string {
	const resource = "OTEL_RESOURCE_ATTRIBUTES"
	attributes := "service.instance.id=" + guid + ",governor.guid=" + guid + ",governor.app=" + app
	env := map[string]string{
		"OTEL_SERVICE_NAME":           c.Name,
		"OTEL_EXPORTER_OTLP_ENDPOINT": "http://" + hostPort(s.HostAddress, s.OTLPPort),
		"JAEGER_SERVICE_NAME":         c.Name,
		"JAEGER_AGENT_HOST":           s.HostAddress,
		"JAEGER_AGENT_PORT":           strconv.Itoa(s.JaegerAgentPort),
		"HOST_IP":                     s.HostAddress,
	}
	maps.Copy(env, c.Env)
	if own := c.Env[resource]; own != "" {
		attributes += "," + own
	}
	env[resource] = attributes
	for _, name := range s.GUIDEnv {
		env[name] = guid
	}
	return env
}

// hostPort is net.JoinHostPort, which a pure room cannot import.
func hostPort(host string, port int) string {
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return host + ":" + strconv.Itoa(port)
}
