// SPDX-License-Identifier: Apache-2.0
#include "server/http/file_answer.h"

#include <time.h>

#include <cassert>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/http/conditional.h"
#include "server/http/range.h"

namespace mooring::server::http {
namespace {

void AddHead(const FileEntry& entry, const FileAnswer& answer, Response* response) {
  const FileVariant& variant = entry.of(answer.coding);
  response->SetPrepared(variant.lines);
  if (answer.status != 206) return;
  response->SetStatus(206);
  response->AddHeader("Content-Range", absl::StrCat("bytes ", answer.offset, "-", answer.offset + answer.bytes - 1, "/",
                                                    variant.info.bytes));
}

}  // namespace

FileAnswer DecideAnswer(const FileEntry& entry, const Request& request) {
  FileAnswer answer;
  answer.head = request.method() == Method::kHead;
  answer.coding = ChooseCoding(request.fields(), entry.codings);
  const FileVariant& variant = entry.of(answer.coding);
  answer.bytes = variant.info.bytes;
  const Conditions conditions(request.fields());
  if (conditions.none()) return answer;

  const Validators validators = {.etag = variant.etag, .modified_s = entry.modified_s};
  switch (conditions.Evaluate(validators, time(nullptr))) {
    case Verdict::kGoOn: break;
    case Verdict::kNotModified: answer.status = 304; return answer;
    case Verdict::kPreconditionFailed: answer.status = 412; return answer;
  }
  if (answer.head) return answer;  // ranges are GET's alone (RFC 9110, section 14.2)
  if (const auto value = conditions.RangeFor(validators)) {
    const Range range = ParseRange(*value, variant.info.bytes);
    if (range.kind == Range::Kind::kUnsatisfiable) answer.status = 416;
    if (range.kind == Range::Kind::kPart) {
      answer.status = 206;
      answer.offset = range.offset;
      answer.bytes = range.bytes;
    }
  }
  return answer;
}

Response Respond(const FileEntry& entry, const FileAnswer& answer) {
  const FileVariant& variant = entry.of(answer.coding);
  switch (answer.status) {
    case 304: {
      Response response = Response::Plain(304);
      response.SetPrepared(variant.not_modified_lines);
      return response;
    }
    case 412: return Response::Plain(412);
    case 416: return Response::Plain(416).Header("Content-Range", absl::StrCat("bytes */", variant.info.bytes));
    default: break;
  }
  if (!variant.body) {
    assert(answer.head);
    Response response = Response::Stream({}, [](BodyWriter&) -> core::Task<> { co_return; }, answer.bytes);
    AddHead(entry, answer, &response);
    return response;
  }
  Response response = Response::SharedPart({}, variant.body, static_cast<uint32_t>(answer.offset),
                                           static_cast<uint32_t>(answer.bytes));
  AddHead(entry, answer, &response);
  return response;
}

Response RespondStreaming(const FileEntry& entry, const FileAnswer& answer, Response::StreamFunction send) {
  assert(answer.sends_bytes());
  Response response = Response::Stream({}, std::move(send), answer.bytes);
  AddHead(entry, answer, &response);
  return response;
}

}  // namespace mooring::server::http
