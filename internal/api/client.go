package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// dialTimeout bounds the connection to the socket, which is on this host.
const dialTimeout = 5 * time.Second

// maxAnswer bounds what the client reads of one answer, in bytes.
const maxAnswer = 64 << 20

// ErrNoAgent says that nobody answers on the socket.
var ErrNoAgent = errors.New("no agent answers")

// Client talks to the agent over its Unix socket. Failed requests are *Problem
// where the agent answered, and wrap ErrNoAgent where it did not.
type Client struct {
	socket string
	http   *http.Client
}

// NewClient prepares a client; "" is DefaultSocket. It does not connect.
func NewClient(socket string) *Client {
	if socket == "" {
		socket = DefaultSocket
	}
	dialer := &net.Dialer{Timeout: dialTimeout}
	return &Client{socket: socket, http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", socket)
		},
		DisableCompression: true,
	}}}
}

// Close frees idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Up creates and starts what the app file declares. file is its name, for messages.
func (c *Client) Up(ctx context.Context, file string, content []byte) (out UpResult, err error) {
	return out, c.call(ctx, http.MethodPost, "/v1/apps", url.Values{"file": {file}}, content, &out)
}

// Plan says what Up would change.
func (c *Client) Plan(ctx context.Context, file string, content []byte) (out Plan, err error) {
	return out, c.call(ctx, http.MethodPost, "/v1/apps:plan", url.Values{"file": {file}}, content, &out)
}

// Apps returns all applications.
func (c *Client) Apps(ctx context.Context) (out Apps, err error) {
	return out, c.call(ctx, http.MethodGet, "/v1/apps", nil, nil, &out)
}

// App returns one application.
func (c *Client) App(ctx context.Context, name string) (out App, err error) {
	return out, c.call(ctx, http.MethodGet, "/v1/apps/"+url.PathEscape(name), nil, nil, &out)
}

// Down removes the containers of an application.
func (c *Client) Down(ctx context.Context, app string) (out DownResult, err error) {
	return out, c.call(ctx, http.MethodDelete, "/v1/apps/"+url.PathEscape(app), nil, nil, &out)
}

// Containers returns the containers of an app ("": of all) in a state ("": any
// but Terminated, unless someone else removed them).
func (c *Client) Containers(ctx context.Context, app, state string) (out Containers, err error) {
	query := url.Values{}
	if app != "" {
		query.Set("app", app)
	}
	if state != "" {
		query.Set("state", state)
	}
	return out, c.call(ctx, http.MethodGet, "/v1/containers", query, nil, &out)
}

// Container returns one container.
func (c *Client) Container(ctx context.Context, guid string) (out Container, err error) {
	return out, c.call(ctx, http.MethodGet, "/v1/containers/"+url.PathEscape(guid), nil, nil, &out)
}

// Operate runs start, stop or restart on a container.
func (c *Client) Operate(ctx context.Context, operation, guid string) (out Container, err error) {
	return out, c.call(ctx, http.MethodPost, "/v1/containers/"+url.PathEscape(guid)+"/"+operation, nil, nil, &out)
}

// Remove stops and removes a container.
func (c *Client) Remove(ctx context.Context, guid string) (out Container, err error) {
	return out, c.call(ctx, http.MethodDelete, "/v1/containers/"+url.PathEscape(guid), nil, nil, &out)
}

// Heartbeat returns how the agent is.
func (c *Client) Heartbeat(ctx context.Context) (out Heartbeat, err error) {
	return out, c.call(ctx, http.MethodGet, "/v1/heartbeat", nil, nil, &out)
}

// Decisions returns the decisions after a sequence number, at most limit.
func (c *Client) Decisions(ctx context.Context, after uint64, limit int) (out Decisions, err error) {
	query := url.Values{"after": {strconv.FormatUint(after, 10)}, "limit": {strconv.Itoa(limit)}}
	return out, c.call(ctx, http.MethodGet, "/v1/decisions", query, nil, &out)
}

// Latency returns how the applications do against their objectives.
func (c *Client) Latency(ctx context.Context) (out Latencies, err error) {
	return out, c.call(ctx, http.MethodGet, "/v1/latency", nil, nil, &out)
}

// Logs copies a container's output to w; tail 0 is all of it. With follow it
// goes on until the container ends or ctx does.
func (c *Client) Logs(ctx context.Context, guid string, follow bool, tail int, w io.Writer) error {
	query := url.Values{"follow": {strconv.FormatBool(follow)}}
	if tail > 0 {
		query.Set("tail", strconv.Itoa(tail))
	}
	response, err := c.send(ctx, http.MethodGet, "/v1/containers/"+url.PathEscape(guid)+"/logs", query, nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(w, response.Body); err != nil {
		return fmt.Errorf("the log of %s broke off: %w", guid, err)
	}
	return nil
}

func (c *Client) call(ctx context.Context, method, path string, query url.Values, body []byte, out any) error {
	response, err := c.send(ctx, method, path, query, body)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if err := json.NewDecoder(io.LimitReader(response.Body, maxAnswer)).Decode(out); err != nil {
		return fmt.Errorf("%s %s: the agent's answer is not usable: %w", method, path, err)
	}
	return nil
}

// send returns a response with a status below 300; the caller closes its body.
func (c *Client) send(ctx context.Context, method, path string, query url.Values, body []byte) (*http.Response, error) {
	target := "http://governor" + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, c.noAnswer(ctx, err)
	}
	if response.StatusCode < http.StatusMultipleChoices {
		return response, nil
	}
	defer response.Body.Close()
	return nil, readProblem(response)
}

// noAnswer leaves out the URL, which means nothing to a user of a socket.
func (c *Client) noAnswer(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return fmt.Errorf("%w on %s: %w", ErrNoAgent, c.socket, err)
}

func readProblem(response *http.Response) error {
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("read the agent's answer: %w", err)
	}
	media, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	var problem Problem
	if media != ProblemType || json.Unmarshal(text, &problem) != nil || problem.Status == 0 {
		return NewProblem(response.StatusCode, "%s: %s", response.Status, bytes.TrimSpace(text))
	}
	return &problem
}
