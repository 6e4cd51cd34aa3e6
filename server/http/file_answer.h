// SPDX-License-Identifier: Apache-2.0
// FileAnswer: what a request gets of a file that is known: which variant, which part, or that it has it already.
//
// Decided from the entry alone, so that 304, 412, 416 and all of HEAD cost no look at the folder and no byte of the file.
//
// Threads:  a value.
#ifndef MOORING_SERVER_HTTP_FILE_ANSWER_H_
#define MOORING_SERVER_HTTP_FILE_ANSWER_H_

#include <cstdint>

#include "server/http/content_coding.h"
#include "server/http/file_entry.h"
#include "server/http/request.h"
#include "server/http/response.h"

namespace mooring::server::http {

struct FileAnswer {
  int status = 200;  // 200, 206, 304, 412, 416
  ContentCoding coding = ContentCoding::kIdentity;
  bool head = false;
  uint64_t offset = 0;  // of 200 and 206: the bytes of the variant that go out
  uint64_t bytes = 0;

  bool sends_bytes() const { return !head && (status == 200 || status == 206); }
};

FileAnswer DecideAnswer(const FileEntry& entry, const Request& request);

// REQUIRES: where answer.sends_bytes(), the variant's body is there.
Response Respond(const FileEntry& entry, const FileAnswer& answer);
// REQUIRES: answer.sends_bytes(), and `send` writes that many.
Response RespondStreaming(const FileEntry& entry, const FileAnswer& answer, Response::StreamFunction send);

}  // namespace mooring::server::http

#endif  // MOORING_SERVER_HTTP_FILE_ANSWER_H_
