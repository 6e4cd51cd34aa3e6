// SPDX-License-Identifier: Apache-2.0

// Package go_listen is what the Go peers' main functions have in common: the address, and a goroutine for each
// connection. With -reuseport several processes may listen on one port. Go sets TCP_NODELAY by itself.
package go_listen

import (
	"context"
	"flag"
	"log"
	"net"
	"syscall"
)

const soReusePort = 15 // SO_REUSEPORT, include/uapi/asm-generic/socket.h: package syscall has no name for it

// Serve parses the flags, its own and the caller's, and never returns.
func Serve(serve func(*net.TCPConn)) {
	addr := flag.String("addr", "127.0.0.1:7000", "address to listen on")
	reuse := flag.Bool("reuseport", false, "let several processes listen on one port")
	flag.Parse()
	config := net.ListenConfig{}
	if *reuse {
		config.Control = func(_, _ string, raw syscall.RawConn) (err error) {
			if failed := raw.Control(func(fd uintptr) {
				err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, soReusePort, 1)
			}); failed != nil {
				return failed
			}
			return err
		}
	}
	listener, err := config.Listen(context.Background(), "tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			log.Print(err)
			continue
		}
		go serve(conn.(*net.TCPConn))
	}
}
