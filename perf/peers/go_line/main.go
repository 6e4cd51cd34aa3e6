// SPDX-License-Identifier: Apache-2.0

// Go_line answers every line with "OK\n", through a bufio reader and writer of 4 KB per connection. It flushes after
// every line, as a Go guide shows it; -lazy flushes only when no further line is waiting in the reader.
package main

import (
	"bufio"
	"flag"
	"log"
	"net"
)

func serve(conn net.Conn, lazy bool) {
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

func main() {
	addr := flag.String("addr", "127.0.0.1:7000", "address to listen on")
	lazy := flag.Bool("lazy", false, "flush only when the reader is empty")
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
		go serve(conn, *lazy)
	}
}
