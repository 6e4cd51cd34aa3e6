// SPDX-License-Identifier: Apache-2.0

// Go_echo is the echo server as a Go guide shows it: a goroutine and a buffer per connection (-buffer, 4 KB). With -lazy
// a buffer comes from a sync.Pool when there are bytes for it, so that a connection that waits holds a goroutine alone.
package main

import (
	"flag"
	"net"
	"sync"
	"syscall"

	"peers/go_listen"
)

var bufferBytes = flag.Int("buffer", 4096, "bytes of a buffer, and so of a read")

func serve(conn *net.TCPConn) {
	defer conn.Close()
	buf := make([]byte, *bufferBytes)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		if _, err := conn.Write(buf[:n]); err != nil {
			return
		}
	}
}

var buffers = sync.Pool{New: func() any { buf := make([]byte, *bufferBytes); return &buf }}

func serveLazily(conn *net.TCPConn) {
	defer conn.Close()
	raw, err := conn.SyscallConn()
	if err != nil {
		return
	}
	for {
		var buf *[]byte
		n := 0
		err := raw.Read(func(fd uintptr) bool {
			buf = buffers.Get().(*[]byte)
			var failed error
			if n, failed = syscall.Read(int(fd), *buf); failed != syscall.EAGAIN {
				return true
			}
			buffers.Put(buf)
			return false // call again when it is readable
		})
		if err != nil || n <= 0 {
			return
		}
		_, err = conn.Write((*buf)[:n])
		buffers.Put(buf)
		if err != nil {
			return
		}
	}
}

func main() {
	lazy := flag.Bool("lazy", false, "take a buffer only when there are bytes for it")
	go_listen.Serve(func(conn *net.TCPConn) {
		if *lazy {
			serveLazily(conn)
		} else {
			serve(conn)
		}
	})
}
