// Command probe is the program in the containers of the tests against a real
// engine: it prints its environment and then does what its argument says.
package main

import (
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func main() {
	for _, line := range os.Environ() {
		fmt.Println(line)
	}
	fmt.Fprintln(os.Stderr, "probe started")
	mode := ""
	if len(os.Args) > 1 {
		mode = os.Args[1]
	}
	switch mode {
	case "exit": // exit STATUS
		status, err := strconv.Atoi(os.Args[2])
		if err != nil {
			panic(err)
		}
		os.Exit(status)
	case "listen": // listen PORT
		listener, err := net.Listen("tcp", ":"+os.Args[2])
		if err != nil {
			panic(err)
		}
		go answer(listener)
	case "stubborn": // ignores the polite signal
		signal.Ignore(syscall.SIGTERM)
		time.Sleep(time.Hour)
	}
	wait()
}

func answer(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		fmt.Fprintln(conn, "hello")
		conn.Close()
	}
}

func wait() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	<-stop
}
