// SPDX-License-Identifier: Apache-2.0

// Go_echo is the echo server as a Go guide shows it: a goroutine and a 4 KB buffer per connection. With -lazy a buffer
// comes from a sync.Pool when there are bytes for it, so that a connection that waits holds a goroutine alone.
package main

import (
	"flag"
	"log"
	"net"
	"sync"
	"syscall"
)

func serve(conn net.Conn) {
	defer conn.Close()
	buf := make([]byte, 4096)
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

var buffers = sync.Pool{New: func() any { buf := make([]byte, 4096); return &buf }}

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
	addr := flag.String("addr", "127.0.0.1:7000", "address to listen on")
	lazy := flag.Bool("lazy", false, "take a buffer only when there are bytes for it")
	flag.Parse()
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			log.Print(err)
			continue
		}
		if *lazy {
			go serveLazily(conn.(*net.TCPConn))
		} else {
			go serve(conn)
		}
	}
}
