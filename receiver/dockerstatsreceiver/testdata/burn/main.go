// Command burn is the program in the containers of this package's tests: it
// burns CPU on N threads (its first argument) and, asked for "write", writes a
// megabyte to disk first.
package main

import (
	"os"
	"runtime"
	"strconv"
	"time"
)

func main() {
	threads, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	if len(os.Args) > 2 && os.Args[2] == "write" {
		if err := write(); err != nil {
			panic(err)
		}
	}
	runtime.GOMAXPROCS(threads + 1)
	for range threads {
		go func() {
			for n := 0; n >= 0; n++ {
			}
		}()
	}
	time.Sleep(time.Hour)
}

func write() error {
	f, err := os.Create("/tmp/data")
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(make([]byte, 1<<20)); err != nil {
		return err
	}
	return f.Sync()
}
