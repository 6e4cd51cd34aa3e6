// SPDX-License-Identifier: Apache-2.0

// Go_line answers every line with "OK\n", through a bufio reader and writer of 4 KB per connection. It flushes after
// every line, as a Go guide shows it; -pooled takes reader and writer from a sync.Pool for as long as the connection
// lives and makes no string of a line; -lazy flushes only when no further line is waiting in the reader.
package main

import (
	"bufio"
	"flag"
	"net"
	"sync"

	"peers/go_listen"
)

func serve(conn *net.TCPConn, lazy bool) {
	defer conn.Close()
	reader := bufio.NewReaderSize(conn, 4096)
	writer := bufio.NewWriterSize(conn, 4096)
	for {
		if _, err := reader.ReadString('\n'); err != nil {
			return
		}
		if _, err := writer.WriteString("OK\n"); err != nil {
			return
		}
		if lazy && reader.Buffered() > 0 {
			continue
		}
		if err := writer.Flush(); err != nil {
			return
		}
	}
}

var (
	readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 4096) }}
	writers = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, 4096) }}
)

func servePooled(conn *net.TCPConn) {
	defer conn.Close()
	reader := readers.Get().(*bufio.Reader)
	defer readers.Put(reader)
	reader.Reset(conn)
	writer := writers.Get().(*bufio.Writer)
	defer writers.Put(writer)
	writer.Reset(conn)
	for {
		_, err := reader.ReadSlice('\n')
		if err == bufio.ErrBufferFull {
			continue // a line of more than 4 KB: its end will come
		}
		if err != nil {
			return
		}
		if _, err := writer.WriteString("OK\n"); err != nil {
			return
		}
		if err := writer.Flush(); err != nil {
			return
		}
	}
}

func main() {
	lazy := flag.Bool("lazy", false, "flush only when the reader is empty")
	pooled := flag.Bool("pooled", false, "take reader and writer from a pool; flushes every line")
	go_listen.Serve(func(conn *net.TCPConn) {
		if *pooled {
			servePooled(conn)
		} else {
			serve(conn, *lazy)
		}
	})
}
