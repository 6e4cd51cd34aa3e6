// SPDX-License-Identifier: Apache-2.0

// Go_chat is the chat server as the Go books show it: each member has a goroutine that reads, and another that writes
// what comes out of its channel; a room sends to all its members' channels. A member whose channel is full is dropped,
// so that it cannot hold up the rest. It speaks the protocol of docs/examples/chat.cc.
package main

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"

	"peers/go_listen"
)

type member struct {
	conn net.Conn
	out  chan []byte
}

type room struct {
	mutex   sync.Mutex
	members map[*member]struct{}
}

var (
	mutex   sync.Mutex
	rooms   = map[string]*room{}
	dropped int64
)

func find(name string) *room {
	mutex.Lock()
	defer mutex.Unlock()
	if rooms[name] == nil {
		rooms[name] = &room{members: map[*member]struct{}{}}
	}
	return rooms[name]
}

func (r *room) join(m *member) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.members[m] = struct{}{}
}

func (r *room) leave(m *member) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	delete(r.members, m)
}

func (r *room) say(message []byte) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for m := range r.members {
		select {
		case m.out <- message:
		default:
			delete(r.members, m)
			atomic.AddInt64(&dropped, 1)
			m.conn.Close()
		}
	}
}

func (m *member) write() {
	for message := range m.out {
		if _, err := m.conn.Write(message); err != nil {
			m.conn.Close() // the reader ends, and closes the channel
			for range m.out {
			}
			return
		}
	}
}

func serve(conn *net.TCPConn) {
	defer conn.Close()
	lines := bufio.NewScanner(conn)
	if !lines.Scan() {
		return
	}
	name := lines.Text()
	m := &member{conn, make(chan []byte, 16)}
	go m.write()
	defer close(m.out) // after it has left its room: deferred calls run last first
	var in *room
	defer func() {
		if in != nil {
			in.leave(m)
		}
	}()
	for lines.Scan() {
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "/join "):
			if in != nil {
				in.leave(m)
			}
			in = find(line[6:])
			in.join(m)
			m.out <- []byte("* you are in " + line[6:] + "\n")
		case line == "/stat":
			m.out <- []byte(fmt.Sprintf("* dropped %d\n", atomic.LoadInt64(&dropped)))
		case in != nil:
			in.say([]byte(name + ": " + line + "\n"))
		}
	}
}

func main() {
	go_listen.Serve(serve)
}
