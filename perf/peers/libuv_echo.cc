// SPDX-License-Identifier: Apache-2.0
// libuv_echo: the echo server of libuv's guide, on one loop: a buffer of the size that libuv suggests (64 KB) is made
// for each read and given to the write that echoes it, whose callback frees it.
//
// With --lean it does the least that libuv can: all reads share a buffer, and what uv_try_write does not take at once is
// copied. That spares an allocation, a callback and an epoll_ctl a message.
//
// What the guide leaves out: a connection whose writes are held up is not read meanwhile, and the end of its input is
// answered when all is written. Several processes may share a port (SO_REUSEPORT). perf/peers/build builds it.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <uv.h>

namespace {

char paused;
void* const kPaused = &paused;  // the `data` of a connection that is not read

struct Write {
  uv_write_t request;
  uv_buf_t buffer;
};

void Check(int status, const char* what) {
  if (status == 0) return;
  fprintf(stderr, "libuv_echo: %s: %s\n", what, uv_strerror(status));
  exit(1);
}

void Close(uv_stream_t* client) {
  uv_handle_t* handle = reinterpret_cast<uv_handle_t*>(client);
  if (uv_is_closing(handle)) return;
  uv_close(handle, [](uv_handle_t* closed) { delete reinterpret_cast<uv_tcp_t*>(closed); });
}

bool lean = false;
char shared_buffer[64 * 1024];

void Allocate(uv_handle_t*, size_t suggested_bytes, uv_buf_t* buffer) {
  *buffer = lean ? uv_buf_init(shared_buffer, sizeof(shared_buffer))
                 : uv_buf_init(static_cast<char*>(malloc(suggested_bytes)), static_cast<unsigned>(suggested_bytes));
}

void OnRead(uv_stream_t* client, ssize_t bytes, const uv_buf_t* buffer);

void OnWritten(uv_write_t* request, int status) {
  Write* write = reinterpret_cast<Write*>(request);
  uv_stream_t* client = request->handle;
  free(write->buffer.base);
  delete write;
  if (status < 0) return Close(client);
  if (client->data == kPaused && uv_stream_get_write_queue_size(client) == 0) {
    client->data = nullptr;
    uv_read_start(client, Allocate, OnRead);
  }
}

void OnEnd(uv_stream_t* client) {
  uv_read_stop(client);
  uv_shutdown_t* shutdown = new uv_shutdown_t;  // done when all that was written before is sent
  const int status = uv_shutdown(shutdown, client, [](uv_shutdown_t* done, int) {
    Close(done->handle);
    delete done;
  });
  if (status == 0) return;
  delete shutdown;
  Close(client);
}

// The write owns `data` from here on.
void WriteAll(uv_stream_t* client, char* data, size_t bytes) {
  Write* write = new Write{{}, uv_buf_init(data, static_cast<unsigned>(bytes))};
  if (uv_write(&write->request, client, &write->buffer, 1, OnWritten) != 0) {
    free(data);
    delete write;
    return Close(client);
  }
  if (uv_stream_get_write_queue_size(client) != 0) {  // uv_write sends at once what it can
    client->data = kPaused;
    uv_read_stop(client);
  }
}

void WriteLean(uv_stream_t* client, uv_buf_t buffer) {
  const int sent = uv_try_write(client, &buffer, 1);
  if (sent < 0 && sent != UV_EAGAIN) return Close(client);
  const size_t gone = sent > 0 ? static_cast<size_t>(sent) : 0;
  const size_t left = buffer.len - gone;
  if (left != 0) WriteAll(client, static_cast<char*>(memcpy(malloc(left), buffer.base + gone, left)), left);
}

void OnRead(uv_stream_t* client, ssize_t bytes, const uv_buf_t* buffer) {
  if (bytes > 0) {
    if (lean) return WriteLean(client, uv_buf_init(buffer->base, static_cast<unsigned>(bytes)));
    return WriteAll(client, buffer->base, static_cast<size_t>(bytes));
  }
  if (!lean) free(buffer->base);
  if (bytes == UV_EOF) return OnEnd(client);
  if (bytes < 0) Close(client);
}

void OnConnection(uv_stream_t* listener, int status) {
  if (status < 0) return;
  uv_tcp_t* client = new uv_tcp_t{};
  uv_tcp_init(listener->loop, client);
  uv_stream_t* stream = reinterpret_cast<uv_stream_t*>(client);
  if (uv_accept(listener, stream) != 0) return Close(stream);
  uv_tcp_nodelay(client, 1);
  uv_read_start(stream, Allocate, OnRead);
}

}  // namespace

int main(int argc, char** argv) {
  int port = 7000;
  for (int i = 1; i < argc; i++) {
    if (sscanf(argv[i], "--port=%d", &port) == 1) continue;
    if (strcmp(argv[i], "--lean") != 0) {
      fprintf(stderr, "usage: libuv_echo [--port=N] [--lean]\n");
      return 2;
    }
    lean = true;
  }
  signal(SIGPIPE, SIG_IGN);
  uv_loop_t* loop = uv_default_loop();
  uv_tcp_t listener;
  Check(uv_tcp_init_ex(loop, &listener, AF_INET), "uv_tcp_init_ex");
  int fd;
  Check(uv_fileno(reinterpret_cast<uv_handle_t*>(&listener), &fd), "uv_fileno");
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
  sockaddr_in address;
  Check(uv_ip4_addr("127.0.0.1", port, &address), "uv_ip4_addr");
  Check(uv_tcp_bind(&listener, reinterpret_cast<const sockaddr*>(&address), 0), "uv_tcp_bind");
  Check(uv_listen(reinterpret_cast<uv_stream_t*>(&listener), 4096, OnConnection), "uv_listen");
  return uv_run(loop, UV_RUN_DEFAULT);
}
