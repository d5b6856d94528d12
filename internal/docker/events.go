package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/client"
)

// Events implements Client.
func (c *engineClient) Events(caller context.Context, since time.Time) (EventStream, error) {
	const op = "follow events"
	// The library reports a refused connection only on its error channel, which
	// is not ready when it returns: the ping tells beforehand.
	if _, err := c.Ping(caller); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(caller)
	options := client.EventsListOptions{Filters: client.Filters{}.Add("type", string(events.ContainerEventType), string(events.NetworkEventType))}
	if !since.IsZero() {
		options.Since = fmt.Sprintf("%d.%09d", since.Unix(), since.Nanosecond())
	}
	// The time-out holds until the engine has answered; after that the stream is open-ended.
	timer := time.AfterFunc(c.options.CallTimeout, cancel)
	result := c.api.Events(ctx, options)
	if !timer.Stop() {
		cancel()
		<-result.Err
		return nil, &Error{Op: op, Kind: ErrTimeout, Err: errors.New("no answer from " + c.host + " in time")}
	}
	s := &eventStream{events: make(chan Event), cancel: cancel, done: make(chan struct{})}
	go s.run(ctx, result, func(err error) error { return c.fail(caller, op, "", err) })
	return s, nil
}

type eventStream struct {
	events chan Event
	cancel context.CancelFunc
	done   chan struct{}
	err    atomic.Pointer[error]
}

func (s *eventStream) C() <-chan Event { return s.events }

func (s *eventStream) Err() error {
	if err := s.err.Load(); err != nil {
		return *err
	}
	return nil
}

func (s *eventStream) Close() {
	s.cancel()
	<-s.done
}

// run forwards until the library's stream ends; it owns the events channel.
func (s *eventStream) run(ctx context.Context, result client.EventsResult, wrap func(error) error) {
	defer close(s.done)
	defer s.cancel()
	defer close(s.events)
	for {
		select {
		case message := <-result.Messages:
			select {
			case s.events <- fromMessage(message):
			case <-ctx.Done():
			}
		case err := <-result.Err:
			if ctx.Err() == nil {
				s.lost(err, wrap)
			}
			return
		}
	}
}

func (s *eventStream) lost(err error, wrap func(error) error) {
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = &Error{Op: "follow events", Kind: ErrUnreachable, Err: errors.New("the engine closed the connection")}
	} else {
		err = wrap(err)
	}
	s.err.Store(&err)
}

func fromMessage(m events.Message) Event {
	if m.Type == events.NetworkEventType {
		// connect and disconnect name the container in an attribute; a network's
		// own creation and removal concern no container.
		return Event{Action: string(m.Action), ID: m.Actor.Attributes["container"], Time: time.Unix(0, m.TimeNano)}
	}
	return Event{
		Action: string(m.Action), ID: m.Actor.ID, Name: m.Actor.Attributes["name"],
		Labels: m.Actor.Attributes, ExitCode: m.Actor.Attributes["exitCode"], Time: time.Unix(0, m.TimeNano),
	}
}
