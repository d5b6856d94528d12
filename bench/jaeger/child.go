package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"time"
)

// stopTime is how long a server may take to shut down.
const stopTime = 10 * time.Second

// server is a running child process with one receiver.
type server struct {
	name    string
	command *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	hello   greeting
}

// startServer starts this program again, as a server, and waits for its address.
// It writes a CPU profile unless that file's name is empty.
func startServer(program, name, profile string) (*server, error) {
	command := exec.Command(program, "serve", name)
	if profile != "" {
		command.Args = append(command.Args, profile)
	}
	command.Stderr = os.Stderr
	in, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	s := &server{name: name, command: command, in: in, out: bufio.NewReader(out)}
	if err := s.answer(&s.hello); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

// ask sends a command and returns the figures.
func (s *server) ask(command string) (got figures, err error) {
	if _, err := io.WriteString(s.in, command+"\n"); err != nil {
		return got, fmt.Errorf("%s: %s: %w", s.name, command, err)
	}
	err = s.answer(&got)
	return got, err
}

func (s *server) answer(into any) error {
	line, err := s.out.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("%s: its answer: %w", s.name, err)
	}
	if err := json.Unmarshal(line, into); err != nil {
		return fmt.Errorf("%s: its answer %q: %w", s.name, line, err)
	}
	return nil
}

// stop ends the server, by force if it does not end itself.
func (s *server) stop() error {
	closed := s.in.Close()
	force := time.AfterFunc(stopTime, func() { _ = s.command.Process.Kill() })
	defer force.Stop()
	if err := s.command.Wait(); err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	return closed
}

// ship runs a sender process to its end.
func ship(program, packets, address string, rate int, tick, length time.Duration) (done shipment, err error) {
	command := exec.Command(program, "send", "-packets", packets, "-to", address,
		"-rate", strconv.Itoa(rate), "-tick", tick.String(), "-for", length.String())
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		return done, fmt.Errorf("sender: %w", err)
	}
	if err := json.Unmarshal(out, &done); err != nil {
		return done, fmt.Errorf("sender: its answer %q: %w", out, err)
	}
	return done, nil
}
