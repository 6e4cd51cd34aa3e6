// SPDX-License-Identifier: Apache-2.0
#include "tests/server/http/request_cases.h"

#include <utility>

namespace mooring::server::http {
namespace {

using namespace std::string_literals;  // cases have NULs in them

constexpr bool kPasses = true;

class Table {
 public:
  void Accept(std::string name, std::string bytes, std::string summary, RequestParser::Limits limits = {}) {
    Add({.name = std::move(name), .bytes = std::move(bytes), .summary = std::move(summary), .limits = limits});
  }
  void Refuse(std::string name, std::string bytes, Refusal refusal, int status, bool llhttp_passes = false,
              RequestParser::Limits limits = {}) {
    Add({.name = std::move(name),
         .bytes = std::move(bytes),
         .refusal = refusal,
         .status = status,
         .llhttp_passes = llhttp_passes,
         .limits = limits});
  }
  void Wait(std::string name, std::string bytes, RequestParser::Limits limits = {}) {
    Add({.name = std::move(name), .bytes = std::move(bytes), .incomplete = true, .limits = limits});
  }
  std::vector<RequestCase> cases;

 private:
  void Add(RequestCase&& one) { cases.push_back(std::move(one)); }
};

// A request with these field lines behind its Host.
std::string Get(const std::string& fields) { return "GET / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n"; }
std::string Post(const std::string& fields, const std::string& body) {
  return "POST / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n" + body;
}
std::string Chunked(const std::string& body) { return Post("Transfer-Encoding: chunked\r\n", body); }
std::string Line(const std::string& line) { return line + "\r\nHost: a\r\n\r\n"; }
std::string Host(const std::string& value) { return "GET / HTTP/1.1\r\nHost: " + value + "\r\n\r\n"; }

void RequestLines(Table& t) {
  t.Accept("get", Line("GET / HTTP/1.1"), "GET / 1.1 keep\nHost=a\n\n");
  t.Accept("path_and_query", Line("GET /a/b?c=d&e HTTP/1.1"), "GET /a/b|c=d&e 1.1 keep\nHost=a\n\n");
  t.Accept("empty_query", Line("GET /a? HTTP/1.1"), "GET /a 1.1 keep\nHost=a\n\n");
  t.Accept("two_question_marks", Line("GET /a?b?c HTTP/1.1"), "GET /a|b?c 1.1 keep\nHost=a\n\n");
  t.Accept("percent_encoded_path_stays", Line("GET /%2e%2e/%00 HTTP/1.1"), "GET /%2e%2e/%00 1.1 keep\nHost=a\n\n");
  t.Accept("two_slashes", Line("GET //b/c HTTP/1.1"), "GET //b/c 1.1 keep\nHost=a\n\n");
  t.Accept("bytes_that_browsers_send", Line("GET /|^`{}\"<>\\ HTTP/1.1"), "GET /|^`{}\"<>\\ 1.1 keep\nHost=a\n\n");
  t.Accept("at_sign_in_a_path", Line("GET /@a:b HTTP/1.1"), "GET /@a:b 1.1 keep\nHost=a\n\n");
  t.Accept("one_zero", "GET / HTTP/1.0\r\n\r\n", "GET / 1.0\n\n");
  for (const char* method : {"HEAD", "POST", "PUT", "DELETE", "PATCH", "TRACE", "OPTIONS", "PROPFIND", "M-SEARCH"}) {
    t.Accept("method_"s + method, Line(method + " / HTTP/1.1"s), method + " / 1.1 keep\nHost=a\n\n"s);
  }
  t.Accept("one_empty_line", "\r\n" + Line("GET / HTTP/1.1"), "GET / 1.1 keep\nHost=a\n\n");
  t.Accept("four_empty_lines", "\r\n\r\n\r\n\r\n" + Line("GET /x?y HTTP/1.1"), "GET /x|y 1.1 keep\nHost=a\n\n");
  t.Refuse("five_empty_lines", "\r\n\r\n\r\n\r\n\r\n" + Line("GET / HTTP/1.1"), Refusal::kMethod, 400, kPasses);
  t.Refuse("lf_before_the_method", "\n" + Line("GET / HTTP/1.1"), Refusal::kBareLf, 400, kPasses);
  t.Refuse("crlf_lf_before_the_method", "\r\n\n" + Line("GET / HTTP/1.1"), Refusal::kBareLf, 400, kPasses);
  t.Refuse("cr_before_the_method", "\r" + Line("GET / HTTP/1.1"), Refusal::kBareCr, 400, kPasses);
  t.Refuse("two_crs_before_the_method", "\r\r\n" + Line("GET / HTTP/1.1"), Refusal::kBareCr, 400, kPasses);
  t.Refuse("space_before_the_method", " " + Line("GET / HTTP/1.1"), Refusal::kMethod, 400);
  t.Refuse("tab_before_the_method", "\t" + Line("GET / HTTP/1.1"), Refusal::kControlByte, 400);
  t.Refuse("nul_before_the_method", "\0"s + Line("GET / HTTP/1.1"), Refusal::kControlByte, 400);
  t.Refuse("method_lowercase", Line("get / HTTP/1.1"), Refusal::kMethod, 400);
  t.Refuse("method_mixed_case", Line("Get / HTTP/1.1"), Refusal::kMethod, 400);
  t.Refuse("method_unknown", Line("BREW / HTTP/1.1"), Refusal::kMethod, 400);
  t.Refuse("method_with_a_tail", Line("GETX / HTTP/1.1"), Refusal::kMethod, 400);
  t.Refuse("method_cut_short", Line("GE / HTTP/1.1"), Refusal::kMethod, 400);
  t.Refuse("method_no_token", Line("GE(T / HTTP/1.1"), Refusal::kMethod, 400);
  t.Refuse("method_with_a_colon", Line("GET: / HTTP/1.1"), Refusal::kMethod, 400);
  t.Refuse("method_with_a_high_byte", Line("GET\xc3\xa9 / HTTP/1.1"), Refusal::kMethod, 400);
  t.Refuse("method_with_del", Line("GET\x7f / HTTP/1.1"), Refusal::kControlByte, 400);
  t.Refuse("method_with_nul", Line("GET\0 / HTTP/1.1"s), Refusal::kControlByte, 400);
  t.Refuse("method_of_rtsp", Line("DESCRIBE / HTTP/1.1"), Refusal::kMethod, 400);
  t.Refuse("method_is_quoted", Line("\"GET\" / HTTP/1.1"), Refusal::kMethod, 400);
  t.Refuse("method_missing", Line("/ HTTP/1.1"), Refusal::kMethod, 400);
  t.Refuse("method_only", "GET\r\n\r\n", Refusal::kTarget, 400);
  t.Refuse("method_and_bare_lf", "GET\n", Refusal::kBareLf, 400);
  t.Refuse("method_and_bare_cr", "GET\r/ HTTP/1.1\r\n", Refusal::kBareCr, 400);
  t.Refuse("target_missing", Line("GET HTTP/1.1"), Refusal::kNoHttp, 400);
  t.Refuse("target_empty", Line("GET  HTTP/1.1"), Refusal::kTarget, 400);
  t.Refuse("two_spaces_before_the_target", Line("GET  / HTTP/1.1"), Refusal::kTarget, 400, kPasses);
  t.Refuse("two_spaces_behind_the_target", Line("GET /  HTTP/1.1"), Refusal::kNoHttp, 400, kPasses);
  t.Refuse("tab_before_the_target", Line("GET\t/ HTTP/1.1"), Refusal::kControlByte, 400);
  t.Refuse("tab_behind_the_target", Line("GET /\tHTTP/1.1"), Refusal::kControlByte, 400);
  t.Refuse("space_in_the_target", Line("GET /a b HTTP/1.1"), Refusal::kNoHttp, 400);
  t.Refuse("space_behind_the_version", Line("GET / HTTP/1.1 "), Refusal::kNoHttp, 400);
  t.Refuse("tab_behind_the_version", Line("GET / HTTP/1.1\t"), Refusal::kControlByte, 400);
  t.Refuse("nul_in_the_target", Line("GET /a\0b HTTP/1.1"s), Refusal::kControlByte, 400);
  t.Refuse("del_in_the_target", Line("GET /a\x7f HTTP/1.1"), Refusal::kControlByte, 400);
  t.Refuse("escape_in_the_target", Line("GET /a\x1b HTTP/1.1"), Refusal::kControlByte, 400);
  t.Refuse("form_feed_in_the_target", Line("GET /a\f HTTP/1.1"), Refusal::kControlByte, 400);
  t.Refuse("utf8_in_the_target", Line("GET /\xc3\xa9 HTTP/1.1"), Refusal::kTarget, 400);
  t.Refuse("byte_0x80_in_the_target", Line("GET /\x80 HTTP/1.1"), Refusal::kTarget, 400);
  t.Refuse("byte_0xff_in_the_query", Line("GET /?\xff HTTP/1.1"), Refusal::kTarget, 400);
  t.Refuse("fragment", Line("GET /a#b HTTP/1.1"), Refusal::kTarget, 400, kPasses);
  t.Refuse("fragment_behind_a_query", Line("GET /a?b#c HTTP/1.1"), Refusal::kTarget, 400, kPasses);
  t.Refuse("fragment_alone", Line("GET # HTTP/1.1"), Refusal::kTarget, 400);
  t.Refuse("bare_cr_in_the_target", "GET /a\rb HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::kBareCr, 400);
  t.Refuse("bare_lf_in_the_target", "GET /a\nb HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::kBareLf, 400);
  t.Refuse("target_relative", Line("GET a/b HTTP/1.1"), Refusal::kTarget, 400);
  t.Refuse("target_query_only", Line("GET ?a HTTP/1.1"), Refusal::kTarget, 400);
  t.Refuse("target_backslash", Line("GET \\a HTTP/1.1"), Refusal::kTarget, 400);
  t.Refuse("http_0_9", "GET /\r\n", Refusal::kNoHttp, 400, kPasses);
  t.Refuse("http_0_9_with_lf", "GET /\n", Refusal::kBareLf, 400, kPasses);
  t.Refuse("http_0_9_with_a_space", "GET / \r\n", Refusal::kNoHttp, 400);
  t.Refuse("version_0_9", Line("GET / HTTP/0.9"), Refusal::kVersion, 505, kPasses);
  t.Refuse("version_1_2", Line("GET / HTTP/1.2"), Refusal::kVersion, 505);
  t.Refuse("version_1_9", Line("GET / HTTP/1.9"), Refusal::kVersion, 505);
  t.Refuse("version_2_0", Line("GET / HTTP/2.0"), Refusal::kVersion, 505, kPasses);
  t.Refuse("version_2", Line("GET / HTTP/2"), Refusal::kVersion, 505);
  t.Refuse("version_3", Line("GET / HTTP/3.0"), Refusal::kVersion, 505);
  t.Refuse("version_1_10", Line("GET / HTTP/1.10"), Refusal::kVersion, 505);
  t.Refuse("version_1_1_1", Line("GET / HTTP/1.1.1"), Refusal::kVersion, 505);
  t.Refuse("version_11", Line("GET / HTTP/11"), Refusal::kVersion, 505);
  t.Refuse("version_01_1", Line("GET / HTTP/01.1"), Refusal::kVersion, 505);
  t.Refuse("version_1", Line("GET / HTTP/1"), Refusal::kNoHttp, 400);
  t.Refuse("version_1_", Line("GET / HTTP/1."), Refusal::kNoHttp, 400);
  t.Refuse("version_is_no_number", Line("GET / HTTP/x.y"), Refusal::kNoHttp, 400);
  t.Refuse("version_with_a_comma", Line("GET / HTTP/1,1"), Refusal::kNoHttp, 400);
  t.Refuse("version_with_a_tail", Line("GET / HTTP/1.1x"), Refusal::kNoHttp, 400);
  t.Refuse("version_empty", Line("GET / HTTP/"), Refusal::kNoHttp, 400);
  t.Refuse("version_lowercase", Line("GET / http/1.1"), Refusal::kNoHttp, 400);
  t.Refuse("version_of_rtsp", Line("GET / RTSP/1.0"), Refusal::kNoHttp, 400, kPasses);
  t.Refuse("version_of_ice", Line("SOURCE / ICE/1.0"), Refusal::kNoHttp, 400, kPasses);
  t.Refuse("version_of_https", Line("GET / HTTPS/1.1"), Refusal::kNoHttp, 400);
  t.Refuse("line_ends_with_bare_lf", "GET / HTTP/1.1\nHost: a\r\n\r\n", Refusal::kBareLf, 400, kPasses);
  t.Refuse("line_ends_with_two_crs", "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", Refusal::kBareCr, 400);
  t.Refuse("line_ends_with_bare_cr", "GET / HTTP/1.1\rHost: a\r\n\r\n", Refusal::kBareCr, 400);
  t.Refuse("http2_preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Refusal::kVersion, 505, kPasses);
  t.Refuse("http2_preface_as_1_1", Line("PRI * HTTP/1.1"), Refusal::kMethod, 400);
  t.Refuse("http2_preface_path", Line("PRI / HTTP/1.1"), Refusal::kMethod, 400);
  t.Refuse("tls_client_hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"s, Refusal::kControlByte, 400);
  t.Refuse("ssh", "SSH-2.0-OpenSSH_9.2\r\n", Refusal::kTarget, 400);
  t.Refuse("redis", "*1\r\n$4\r\nPING\r\n", Refusal::kTarget, 400);
  t.Refuse("proxy_line", "PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n" + Line("GET / HTTP/1.1"), Refusal::kMethod, 400);
  t.Refuse("a_response", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Refusal::kMethod, 400);
  t.Wait("half_a_line", "GET / HTT");
  t.Wait("no_field_yet", "GET / HTTP/1.1\r\n");
  t.Wait("head_without_its_last_lf", "GET / HTTP/1.1\r\nHost: a\r\n\r");
}

void Targets(Table& t) {
  t.Accept("absolute", "GET http://a/b?c HTTP/1.1\r\nHost: a\r\n\r\n", "GET /b|c 1.1 keep\nHost=a\n\n");
  t.Accept("absolute_without_path", "GET http://a HTTP/1.1\r\nHost: a\r\n\r\n", "GET  1.1 keep\nHost=a\n\n");
  t.Accept("absolute_with_query_only", "GET http://a?b HTTP/1.1\r\nHost: a\r\n\r\n", "GET |b 1.1 keep\nHost=a\n\n");
  t.Accept("absolute_other_case", "GET HTTP://EXAMPLE.org/ HTTP/1.1\r\nHost: Example.ORG\r\n\r\n",
           "GET / 1.1 keep\nHost=Example.ORG\n\n");
  t.Accept("absolute_https", "GET https://a/b HTTP/1.1\r\nHost: a\r\n\r\n", "GET /b 1.1 keep\nHost=a\n\n");
  t.Accept("absolute_default_port", "GET http://a:80/ HTTP/1.1\r\nHost: a\r\n\r\n", "GET / 1.1 keep\nHost=a\n\n");
  t.Accept("host_default_port", "GET http://a/ HTTP/1.1\r\nHost: a:80\r\n\r\n", "GET / 1.1 keep\nHost=a:80\n\n");
  t.Accept("host_empty_port", "GET http://a/ HTTP/1.1\r\nHost: a:\r\n\r\n", "GET / 1.1 keep\nHost=a:\n\n");
  t.Accept("https_default_port", "GET https://a/ HTTP/1.1\r\nHost: a:443\r\n\r\n", "GET / 1.1 keep\nHost=a:443\n\n");
  t.Accept("absolute_with_port", "GET http://a:8080/ HTTP/1.1\r\nHost: a:8080\r\n\r\n",
           "GET / 1.1 keep\nHost=a:8080\n\n");
  t.Accept("absolute_ipv6", "GET http://[::1]:81/x HTTP/1.1\r\nHost: [::1]:81\r\n\r\n",
           "GET /x 1.1 keep\nHost=[::1]:81\n\n");
  t.Accept("absolute_1_0_without_host", "GET http://a/b HTTP/1.0\r\n\r\n", "GET /b 1.0\n\n");
  t.Accept("absolute_at_sign_in_path", "GET http://a/@b HTTP/1.1\r\nHost: a\r\n\r\n", "GET /@b 1.1 keep\nHost=a\n\n");
  t.Accept("asterisk", Line("OPTIONS * HTTP/1.1"), "OPTIONS * 1.1 keep\nHost=a\n\n");
  t.Accept("authority", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", "CONNECT a:443 1.1 keep\nHost=a:443\n\n");
  t.Refuse("absolute_other_host", "GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n", Refusal::kHostMismatch, 400, kPasses);
  t.Refuse("absolute_longer_host", "GET http://a.b/ HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::kHostMismatch, 400, kPasses);
  t.Refuse("absolute_other_port", "GET http://a:81/ HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::kHostMismatch, 400, kPasses);
  t.Refuse("https_is_not_port_80", "GET https://a/ HTTP/1.1\r\nHost: a:80\r\n\r\n", Refusal::kHostMismatch, 400,
           kPasses);
  t.Refuse("absolute_1_0_other_host", "GET http://a/ HTTP/1.0\r\nHost: b\r\n\r\n", Refusal::kHostMismatch, 400,
           kPasses);
  t.Refuse("absolute_without_host", "GET http://a/ HTTP/1.1\r\n\r\n", Refusal::kHost, 400, kPasses);
  t.Refuse("userinfo", "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::kTarget, 400, kPasses);
  t.Refuse("userinfo_with_password", "GET http://u:p@a/ HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::kTarget, 400, kPasses);
  t.Refuse("absolute_empty_host", "GET http:///b HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::kTarget, 400, kPasses);
  t.Refuse("absolute_nothing", "GET http:// HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::kTarget, 400, kPasses);
  t.Refuse("absolute_port_only", "GET http://:80/ HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::kTarget, 400, kPasses);
  t.Refuse("absolute_bad_port", "GET http://a:x/ HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::kTarget, 400, kPasses);
  t.Refuse("absolute_big_port", "GET http://a:65536/ HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::kTarget, 400, kPasses);
  t.Refuse("absolute_one_slash", "GET http:/a HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::kTarget, 400);
  t.Refuse("absolute_ftp", "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::kTarget, 400, kPasses);
  t.Refuse("absolute_file", "GET file:///etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::kTarget, 400, kPasses);
  t.Refuse("absolute_no_scheme", "GET ://a/ HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::kTarget, 400);
  t.Refuse("absolute_backslash_in_host", "GET http://a\\b/ HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::kTarget, 400);
  t.Refuse("asterisk_with_get", Line("GET * HTTP/1.1"), Refusal::kTarget, 400, kPasses);
  t.Refuse("asterisk_with_more", Line("OPTIONS *a HTTP/1.1"), Refusal::kTarget, 400, kPasses);
  t.Refuse("authority_with_get", "GET a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", Refusal::kTarget, 400);
  t.Refuse("connect_without_port", "CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::kTarget, 400, kPasses);
  t.Refuse("connect_empty_port", "CONNECT a: HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::kTarget, 400, kPasses);
  t.Refuse("connect_path", Line("CONNECT /a HTTP/1.1"), Refusal::kTarget, 400, kPasses);
  t.Refuse("connect_absolute", Line("CONNECT http://a:80/ HTTP/1.1"), Refusal::kTarget, 400, kPasses);
  t.Refuse("connect_asterisk", Line("CONNECT * HTTP/1.1"), Refusal::kTarget, 400, kPasses);
  t.Refuse("connect_userinfo", "CONNECT u@a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", Refusal::kTarget, 400, kPasses);
  t.Refuse("connect_other_host", "CONNECT a:443 HTTP/1.1\r\nHost: b:443\r\n\r\n", Refusal::kHostMismatch, 400, kPasses);
  t.Refuse("connect_with_length", "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nContent-Length: 3\r\n\r\nabc",
           Refusal::kUpgradeBody, 400, kPasses);
  t.Refuse("connect_chunked", "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
           Refusal::kUpgradeBody, 400, kPasses);
}

void FieldLines(Table& t) {
  t.Accept("field", Get("A: b\r\n"), "GET / 1.1 keep\nHost=a\nA=b\n\n");
  t.Accept("field_without_space", Get("A:b\r\n"), "GET / 1.1 keep\nHost=a\nA=b\n\n");
  t.Accept("field_with_spaces_around", Get("A: \t b c \t \r\n"), "GET / 1.1 keep\nHost=a\nA=b c\n\n");
  t.Accept("field_empty", Get("A:\r\nB: \t\r\n"), "GET / 1.1 keep\nHost=a\nA=\nB=\n\n");
  t.Accept("field_with_colons", Get("A: b:c: d\r\n"), "GET / 1.1 keep\nHost=a\nA=b:c: d\n\n");
  t.Accept("field_with_tab_inside", Get("A: b\tc\r\n"), "GET / 1.1 keep\nHost=a\nA=b\tc\n\n");
  t.Accept("field_with_obs_text", Get("A: \xc3\xa9\xff\x80\r\n"), "GET / 1.1 keep\nHost=a\nA=\xc3\xa9\xff\x80\n\n");
  t.Accept("field_with_every_token_byte", Get("!#$%&'*+-.^_`|~09azAZ: x\r\n"),
           "GET / 1.1 keep\nHost=a\n!#$%&'*+-.^_`|~09azAZ=x\n\n");
  t.Accept("field_twice", Get("A: b\r\nA: c\r\n"), "GET / 1.1 keep\nHost=a\nA=b\nA=c\n\n");
  t.Accept("long_value", Get("A: " + std::string(1000, 'x') + "\r\n"),
           "GET / 1.1 keep\nHost=a\nA=" + std::string(1000, 'x') + "\n\n");
  t.Accept("one_zero_without_fields", "GET / HTTP/1.0\r\n\r\n", "GET / 1.0\n\n");
  t.Refuse("bare_lf_behind_host", "GET / HTTP/1.1\r\nHost: a\nA: b\r\n\r\n", Refusal::kBareLf, 400);
  t.Refuse("bare_lf_behind_a_field", Get("A: b\n"), Refusal::kBareLf, 400);
  t.Refuse("bare_lf_behind_a_name", Get("A\n"), Refusal::kBareLf, 400);
  t.Refuse("bare_lf_behind_a_colon", Get("A:\n"), Refusal::kBareLf, 400);
  t.Refuse("bare_lf_ends_the_head", "GET / HTTP/1.1\r\nHost: a\r\n\n", Refusal::kBareLf, 400, kPasses);
  t.Refuse("bare_lfs_end_the_head", "GET / HTTP/1.1\r\nHost: a\n\n", Refusal::kBareLf, 400);
  t.Refuse("bare_cr_ends_the_head", "GET / HTTP/1.1\r\nHost: a\r\n\rX", Refusal::kBareCr, 400);
  t.Refuse("two_crs_end_the_head", "GET / HTTP/1.1\r\nHost: a\r\n\r\r\n", Refusal::kBareCr, 400);
  t.Refuse("bare_cr_in_a_value", Get("A: b\rc\r\n"), Refusal::kBareCr, 400);
  t.Refuse("bare_cr_smuggles_a_field", Get("A: b\rTransfer-Encoding: chunked\r\n"), Refusal::kBareCr, 400);
  t.Refuse("two_crs_behind_a_value", Get("A: b\r\r\n"), Refusal::kBareCr, 400);
  t.Refuse("bare_cr_in_a_name", Get("A\rB: c\r\n"), Refusal::kBareCr, 400);
  t.Refuse("bare_cr_behind_a_colon", Get("A:\rb\r\n"), Refusal::kBareCr, 400);
  t.Refuse("nul_in_a_value", Get("A: b\0c\r\n"s), Refusal::kControlByte, 400);
  t.Refuse("nul_in_a_name", Get("A\0: b\r\n"s), Refusal::kControlByte, 400);
  t.Refuse("nul_alone", Get("A: \0\r\n"s), Refusal::kControlByte, 400);
  t.Refuse("vertical_tab_in_a_value", Get("A: b\vc\r\n"), Refusal::kControlByte, 400);
  t.Refuse("form_feed_in_a_value", Get("A: \f\r\n"), Refusal::kControlByte, 400);
  t.Refuse("del_in_a_value", Get("A: b\x7f\r\n"), Refusal::kControlByte, 400);
  t.Refuse("escape_in_a_value", Get("A: \x1b[2J\r\n"), Refusal::kControlByte, 400);
  t.Refuse("byte_1_in_a_value", Get("A: \x01\r\n"), Refusal::kControlByte, 400);
  t.Refuse("del_in_a_name", Get("A\x7f: b\r\n"), Refusal::kControlByte, 400);
  t.Refuse("high_byte_in_a_name", Get("A\xe9: b\r\n"), Refusal::kFieldName, 400);
  t.Refuse("space_before_the_colon", Get("A : b\r\n"), Refusal::kSpaceBeforeColon, 400);
  t.Refuse("tab_before_the_colon", Get("A\t: b\r\n"), Refusal::kSpaceBeforeColon, 400);
  t.Refuse("spaces_before_the_colon", Get("A \t : b\r\n"), Refusal::kSpaceBeforeColon, 400);
  t.Refuse("space_in_a_name", Get("A B: c\r\n"), Refusal::kSpaceBeforeColon, 400);
  t.Refuse("name_empty", Get(": b\r\n"), Refusal::kFieldName, 400, kPasses);
  t.Refuse("name_is_quoted", Get("\"A\": b\r\n"), Refusal::kFieldName, 400);
  t.Refuse("name_in_brackets", Get("A[]: b\r\n"), Refusal::kFieldName, 400);
  t.Refuse("name_with_a_slash", Get("A/B: c\r\n"), Refusal::kFieldName, 400);
  t.Refuse("name_with_at_sign", Get("A@: b\r\n"), Refusal::kFieldName, 400);
  t.Refuse("no_colon", Get("A\r\n"), Refusal::kFieldName, 400);
  t.Refuse("no_colon_but_a_space", Get("A b\r\n"), Refusal::kSpaceBeforeColon, 400);
  t.Refuse("no_colon_and_a_space", Get("A \r\n"), Refusal::kSpaceBeforeColon, 400);
  t.Refuse("obs_fold_space", Get("A: b\r\n c\r\n"), Refusal::kObsFold, 400, kPasses);
  t.Refuse("obs_fold_tab", Get("A: b\r\n\tc\r\n"), Refusal::kObsFold, 400, kPasses);
  t.Refuse("obs_fold_of_nothing", Get("A: b\r\n \r\n"), Refusal::kObsFold, 400, kPasses);
  t.Refuse("obs_fold_behind_the_colon", Get("A:\r\n b\r\n"), Refusal::kObsFold, 400, kPasses);
  t.Refuse("first_line_begins_with_space", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", Refusal::kObsFold, 400);
  t.Refuse("first_line_begins_with_tab", "GET / HTTP/1.1\r\n\tHost: a\r\n\r\n", Refusal::kObsFold, 400);
  t.Refuse("lines_begin_with_space", "GET / HTTP/1.1\r\n A: b\r\nHost: a\r\n\r\n", Refusal::kObsFold, 400);
}

void Hosts(Table& t) {
  for (const char* host : {"example.org", "a:8080", "127.0.0.1", "[::1]", "[::ffff:1.2.3.4]:65535", "a_b-c.d", "a:",
                           "xn--bcher-kva.example", "a%20b", "a:0", "!$&'()*+;=~"}) {
    t.Accept("host "s + host, Host(host), "GET / 1.1 keep\nHost="s + host + "\n\n");
  }
  t.Accept("host_other_case", "GET / HTTP/1.1\r\nhOsT: a\r\n\r\n", "GET / 1.1 keep\nhOsT=a\n\n");
  t.Accept("host_in_1_0", "GET / HTTP/1.0\r\nHost: a\r\n\r\n", "GET / 1.0\nHost=a\n\n");
  t.Refuse("host_missing", "GET / HTTP/1.1\r\n\r\n", Refusal::kHost, 400, kPasses);
  t.Refuse("host_missing_with_fields", "GET / HTTP/1.1\r\nHos: a\r\nHostt: b\r\n\r\n", Refusal::kHost, 400, kPasses);
  t.Refuse("host_missing_for_asterisk", "OPTIONS * HTTP/1.1\r\n\r\n", Refusal::kHost, 400, kPasses);
  t.Refuse("host_twice", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", Refusal::kHost, 400, kPasses);
  t.Refuse("host_twice_the_same", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", Refusal::kHost, 400, kPasses);
  t.Refuse("host_twice_in_other_case", "GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", Refusal::kHost, 400, kPasses);
  t.Refuse("host_twice_in_1_0", "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", Refusal::kHost, 400, kPasses);
  t.Refuse("host_invalid_in_1_0", "GET / HTTP/1.0\r\nHost: a b\r\n\r\n", Refusal::kHost, 400, kPasses);
  const std::pair<const char*, std::string> bad[] = {
      {"empty", ""},          {"list", "a, b"},       {"comma", "a,b"},         {"space", "a b"},
      {"userinfo", "u@a"},    {"path", "a/b"},        {"slash", "/"},           {"query", "a?b"},
      {"fragment", "a#b"},    {"url", "http://a"},    {"port_word", "a:http"},  {"port_big", "a:65536"},
      {"port_huge", "a:99999999999999999999"},        {"port_sign", "a:+80"},   {"port_negative", "a:-1"},
      {"port_space", "a: 80"},                        {"two_ports", "a:80:80"}, {"port_only", ":80"},
      {"ipv6_open", "[::1"},  {"ipv6_empty", "[]"},   {"ipv6_tail", "[::1]a"},  {"ipv6_bare", "::1"},
      {"ipv6_word", "[zz]"},  {"bracket", "a]"},      {"ipv6_inside", "a[::1]"},
      {"percent", "a%"},      {"percent_word", "a%zz"},                         {"utf8", "\xc3\xa9"},
      {"backslash", "a\\b"},  {"quote", "\"a\""},     {"angle", "<a>"},         {"tab", "a\tb"},
      {"pipe", "a|b"},        {"brace", "{a}"},       {"caret", "a^b"},         {"backtick", "a`b"},
  };
  for (const auto& [name, value] : bad) t.Refuse("host_"s + name, Host(value), Refusal::kHost, 400, kPasses);
}

void Framing(Table& t) {
  t.Accept("length", Post("Content-Length: 5\r\n", "hello"),
           "POST / 1.1 keep length=5\nHost=a\nContent-Length=5\n\nhello");
  t.Accept("length_then_another_request", Post("Content-Length: 3\r\n", "abcGET /"),
           "POST / 1.1 keep length=3\nHost=a\nContent-Length=3\n\nabc");
  t.Accept("length_zero", Post("Content-Length: 0\r\n", ""), "POST / 1.1 keep\nHost=a\nContent-Length=0\n\n");
  t.Accept("length_zeros_in_front", Post("Content-Length: 0003\r\n", "abc"),
           "POST / 1.1 keep length=3\nHost=a\nContent-Length=0003\n\nabc");
  t.Accept("length_spaces_around", Post("Content-Length:   3  \r\n", "abc"),
           "POST / 1.1 keep length=3\nHost=a\nContent-Length=3\n\nabc");
  t.Accept("length_other_case", Post("cONTENT-lENGTH: 3\r\n", "abc"),
           "POST / 1.1 keep length=3\nHost=a\ncONTENT-lENGTH=3\n\nabc");
  t.Accept("length_with_get", Get("Content-Length: 2\r\n") + "ab",
           "GET / 1.1 keep length=2\nHost=a\nContent-Length=2\n\nab");
  t.Accept("length_in_1_0", "POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\nab",
           "POST / 1.0 length=2\nContent-Length=2\n\nab");
  t.Accept("no_length", Post("", "GET"), "POST / 1.1 keep\nHost=a\n\n");
  t.Accept("body_may_be_any_bytes", Post("Content-Length: 5\r\n", "\0\r\n\n\r"s),
           "POST / 1.1 keep length=5\nHost=a\nContent-Length=5\n\n\0\r\n\n\r"s);
  t.Accept("length_at_the_limit", Post("Content-Length: 8\r\n", "12345678"),
           "POST / 1.1 keep length=8\nHost=a\nContent-Length=8\n\n12345678", {.body_bytes = 8});
  t.Accept("length_like_names", Get("Content-Lengths: x\r\nContent_Length: 5\r\nXContent-Length: 6\r\n"),
           "GET / 1.1 keep\nHost=a\nContent-Lengths=x\nContent_Length=5\nXContent-Length=6\n\n");
  t.Refuse("length_over_the_limit", Post("Content-Length: 9\r\n", "1"), Refusal::kBodyTooLarge, 413, kPasses,
           {.body_bytes = 8});
  // Lawful; llhttp knows only spaces behind these two, and others may read them otherwise.
  t.Refuse("length_tab_behind", Post("Content-Length: 3\t\r\n", "abc"), Refusal::kLength, 400);
  t.Refuse("te_tab_behind", Post("Transfer-Encoding: chunked\t\r\n", "0\r\n\r\n"), Refusal::kCoding, 400);
  t.Refuse("length_2_to_63", Post("Content-Length: 9223372036854775808\r\n", ""), Refusal::kBodyTooLarge, 413, kPasses);
  t.Refuse("length_2_to_63_and_1", Post("Content-Length: 9223372036854775809\r\n", ""), Refusal::kLength, 400, kPasses);
  t.Refuse("length_2_to_64", Post("Content-Length: 18446744073709551616\r\n", ""), Refusal::kLength, 400);
  t.Refuse("length_2_to_64_and_5", Post("Content-Length: 18446744073709551621\r\n", "hello"), Refusal::kLength, 400);
  t.Refuse("length_100_digits", Post("Content-Length: " + std::string(100, '9') + "\r\n", ""), Refusal::kLength, 400);
  t.Refuse("length_twice", Post("Content-Length: 5\r\nContent-Length: 6\r\n", "hello"), Refusal::kLengthRepeated, 400);
  t.Refuse("length_twice_equal", Post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"), Refusal::kLengthRepeated,
           400);
  t.Refuse("length_twice_in_other_case", Post("Content-Length: 5\r\ncontent-length: 5\r\n", "hello"),
           Refusal::kLengthRepeated, 400);
  t.Refuse("length_twice_zero", Post("Content-Length: 0\r\nContent-Length: 0\r\n", ""), Refusal::kLengthRepeated, 400);
  t.Refuse("length_twice_in_1_0", "POST / HTTP/1.0\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
           Refusal::kLengthRepeated, 400);
  t.Refuse("length_list", Post("Content-Length: 5,5\r\n", "hello"), Refusal::kLengthRepeated, 400);
  t.Refuse("length_list_with_space", Post("Content-Length: 5, 5\r\n", "hello"), Refusal::kLengthRepeated, 400);
  t.Refuse("length_comma", Post("Content-Length: 5,\r\n", "hello"), Refusal::kLengthRepeated, 400);
  const std::pair<const char*, std::string> bad[] = {
      {"plus", "+5"},      {"minus", "-5"},    {"hex", "0x5"},       {"empty", ""},     {"word", "five"},
      {"space", "5 5"},    {"point", "5.0"},   {"exponent", "1e1"},  {"tail", "5a"},    {"quoted", "\"5\""},
      {"underscore", "1_0"},                   {"semicolon", "5;a"}, {"fullwidth", "\xef\xbc\x95"},
      {"negative_zero", "-0"},
  };
  for (const auto& [name, value] : bad) {
    t.Refuse("length_"s + name, Post("Content-Length: " + value + "\r\n", "hello"), Refusal::kLength, 400);
  }
  t.Refuse("length_space_in_the_name", Post("Content -Length: 5\r\n", "hello"), Refusal::kSpaceBeforeColon, 400);
  t.Refuse("length_space_before_the_colon", Post("Content-Length : 5\r\n", "hello"), Refusal::kSpaceBeforeColon, 400);
  t.Refuse("length_folded", Post("Content-Length:\r\n 5\r\n", "hello"), Refusal::kObsFold, 400, kPasses);

  t.Refuse("cl_te", Post("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
           Refusal::kLengthAndCoding, 400);
  t.Refuse("te_cl", Post("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", "0\r\n\r\n"),
           Refusal::kLengthAndCoding, 400);
  t.Refuse("cl_zero_te", Post("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
           Refusal::kLengthAndCoding, 400);
  t.Refuse("cl_te_with_get", Get("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n",
           Refusal::kLengthAndCoding, 400);
  t.Refuse("cl_te_unknown", Post("Content-Length: 4\r\nTransfer-Encoding: cow\r\n", "0\r\n\r\n"),
           Refusal::kLengthAndCoding, 400);
  t.Refuse("cl_te_empty", Post("Content-Length: 4\r\nTransfer-Encoding:\r\n", "abcd"), Refusal::kLengthAndCoding, 400,
           kPasses);
  t.Refuse("cl_te_far_apart", Post("Content-Length: 4\r\nA: b\r\nC: d\r\nTRANSFER-ENCODING: chunked\r\n", "0\r\n\r\n"),
           Refusal::kLengthAndCoding, 400);
  t.Refuse("cl_te_in_1_0", "POST / HTTP/1.0\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
           Refusal::kLengthAndCoding, 400);

  t.Accept("te", Chunked("5\r\nhello\r\n0\r\n\r\n"),
           "POST / 1.1 keep chunked\nHost=a\nTransfer-Encoding=chunked\n\nhello");
  t.Accept("te_upper_case", Post("TRANSFER-ENCODING: CHUNKED\r\n", "0\r\n\r\n"),
           "POST / 1.1 keep chunked\nHost=a\nTRANSFER-ENCODING=CHUNKED\n\n");
  t.Accept("te_spaces_around", Post("Transfer-Encoding:   chunked  \r\n", "0\r\n\r\n"),
           "POST / 1.1 keep chunked\nHost=a\nTransfer-Encoding=chunked\n\n");
  t.Accept("te_with_get", Get("Transfer-Encoding: chunked\r\n") + "1\r\nx\r\n0\r\n\r\n",
           "GET / 1.1 keep chunked\nHost=a\nTransfer-Encoding=chunked\n\nx");
  t.Refuse("te_in_1_0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Refusal::kCoding, 400,
           kPasses);
  t.Refuse("te_unknown_in_1_0", "POST / HTTP/1.0\r\nTransfer-Encoding: cow\r\n\r\n", Refusal::kCoding, 400);
  const std::pair<const char*, std::string> unknown[] = {
      {"identity", "identity"},         {"xchunked", "xchunked"},        {"chunkedx", "chunkedx"},
      {"cow", "cow"},                   {"chunked_identity", "chunked, identity"},
      {"identity_chunked", "identity, chunked"},                         {"chunked_cow", "chunked, cow"},
      {"cow_chunked", "cow, chunked"},  {"chunk", "chunk"},              {"chunked_dash", "chunked-"},
      {"br", "br, chunked"},
  };
  for (const auto& [name, value] : unknown) {
    const bool passes = value == "identity, chunked" || value == "cow, chunked" || value == "br, chunked";
    t.Refuse("te_"s + name, Post("Transfer-Encoding: " + value + "\r\n", "0\r\n\r\n"), Refusal::kUnknownCoding, 501,
             passes);
  }
  const std::pair<const char*, std::string> inexact[] = {
      {"gzip_chunked", "gzip, chunked"}, {"chunked_gzip", "chunked, gzip"}, {"gzip", "gzip"},
      {"chunked_chunked", "chunked, chunked"},                              {"empty", ""},
      {"comma", ","},                    {"chunked_comma", "chunked,"},     {"comma_chunked", ",chunked"},
      {"parameter", "chunked;q=1"},      {"quoted", "\"chunked\""},         {"single_quoted", "'chunked'"},
      {"semicolon", "chunked;"},         {"two_words", "chunked chunked"},  {"x_gzip", "x-gzip, chunked"},
      {"colon", "chunked:"},
  };
  for (const auto& [name, value] : inexact) {
    const bool passes = value == "gzip, chunked" || value == ",chunked" || value == "x-gzip, chunked";
    const bool token = value == "'chunked'";  // a token byte
    t.Refuse("te_"s + name, Post("Transfer-Encoding: " + value + "\r\n", "0\r\n\r\n"),
             token ? Refusal::kUnknownCoding : Refusal::kCoding, token ? 501 : 400, passes);
  }
  t.Refuse("te_twice", Post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
           Refusal::kCoding, 400);
  t.Refuse("te_twice_identity", Post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n"),
           Refusal::kUnknownCoding, 501);
  t.Refuse("te_twice_identity_first",
           Post("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), Refusal::kUnknownCoding,
           501, kPasses);
  t.Refuse("te_twice_gzip_first", Post("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
           Refusal::kCoding, 400, kPasses);
  t.Refuse("te_space_before_the_colon", Post("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"),
           Refusal::kSpaceBeforeColon, 400);
  t.Refuse("te_tab_before_the_colon", Post("Transfer-Encoding\t: chunked\r\n", "0\r\n\r\n"),
           Refusal::kSpaceBeforeColon, 400);
  t.Refuse("te_space_in_front", Post(" Transfer-Encoding: chunked\r\n", "0\r\n\r\n"), Refusal::kObsFold, 400);
  t.Refuse("te_vertical_tab_behind", Post("Transfer-Encoding: chunked\v\r\n", "0\r\n\r\n"), Refusal::kControlByte, 400);
  t.Refuse("te_vertical_tab_in_front", Post("Transfer-Encoding: \vchunked\r\n", "0\r\n\r\n"), Refusal::kControlByte,
           400);
  t.Refuse("te_nul_behind", Post("Transfer-Encoding: chunked\0\r\n"s, "0\r\n\r\n"), Refusal::kControlByte, 400);
  t.Refuse("te_high_byte_in_front", Post("Transfer-Encoding: \xff" "chunked\r\n", "0\r\n\r\n"), Refusal::kCoding, 400);
  t.Refuse("te_obs_fold", Post("Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n"), Refusal::kObsFold, 400, kPasses);
  t.Refuse("te_obs_fold_in_a_field", Post("A: b\r\n Transfer-Encoding: chunked\r\n", "0\r\n\r\n"), Refusal::kObsFold,
           400);
  t.Refuse("te_bare_lf_in_a_field", Post("A: b\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), Refusal::kBareLf, 400);
  t.Refuse("te_bare_cr_in_a_field", Post("A: b\rTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), Refusal::kBareCr, 400);
  t.Accept("te_underscore_is_another_field", Post("Transfer_Encoding: chunked\r\nContent-Length: 1\r\n", "x"),
           "POST / 1.1 keep length=1\nHost=a\nTransfer_Encoding=chunked\nContent-Length=1\n\nx");
}

void Chunks(Table& t) {
  const std::string head = "POST / 1.1 keep chunked\nHost=a\nTransfer-Encoding=chunked\n\n";
  t.Accept("chunks", Chunked("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"), head + "hello world");
  t.Accept("chunks_none", Chunked("0\r\n\r\n"), head);
  t.Accept("chunks_then_another_request", Chunked("1\r\nx\r\n0\r\n\r\nGET / HTTP/1.1"), head + "x");
  t.Accept("chunk_size_upper_case", Chunked("A\r\n0123456789\r\n0\r\n\r\n"), head + "0123456789");
  t.Accept("chunk_size_lower_case", Chunked("a\r\n0123456789\r\n0\r\n\r\n"), head + "0123456789");
  t.Accept("chunk_size_two_digits", Chunked("1F\r\n" + std::string(31, 'x') + "\r\n0\r\n\r\n"),
           head + std::string(31, 'x'));
  t.Accept("chunk_size_16_digits", Chunked("0000000000000001\r\nx\r\n0000000000000000\r\n\r\n"), head + "x");
  t.Accept("chunk_bytes_like_lines", Chunked("7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n"), head + "\r\n0\r\n\r\n");
  t.Accept("chunk_extension", Chunked("1;a=b\r\nx\r\n1;c;d\r\ny\r\n0;e\r\n\r\n"), head + "xy");
  t.Accept("chunk_extension_quoted", Chunked("1;a=\"b;c\"\r\nx\r\n0\r\n\r\n"), head + "x");
  t.Accept("chunk_extension_at_the_limit", Chunked("1;" + std::string(255, 'a') + "\r\nx\r\n0\r\n\r\n"), head + "x");
  t.Accept("chunk_extension_at_the_limit_twice",
           Chunked("1;" + std::string(255, 'a') + "\r\nx\r\n1;" + std::string(255, 'a') + "\r\ny\r\n0\r\n\r\n"),
           head + "xy");
  t.Accept("trailers", Chunked("1\r\nx\r\n0\r\nA: b\r\nC:\r\n\r\n"), head + "x");
  t.Accept("trailer_content_length", Chunked("0\r\nContent-Length: 5\r\n\r\nhello"), head);
  t.Accept("trailer_host", Chunked("0\r\nHost: b\r\n\r\n"), head);
  t.Accept("chunks_at_the_limit", Chunked("4\r\nabcd\r\n4\r\nefgh\r\n0\r\n\r\n"), head + "abcdefgh", {.body_bytes = 8});
  t.Accept("trailers_at_the_limit", Chunked("0\r\nA: " + std::string(33, 'x') + "\r\n\r\n"), head,
           {.fields_bytes = 38});
  t.Refuse("chunks_over_the_limit", Chunked("4\r\nabcd\r\n5\r\nefghi\r\n0\r\n\r\n"), Refusal::kBodyTooLarge, 413,
           kPasses, {.body_bytes = 8});
  t.Refuse("chunk_over_the_limit", Chunked("9\r\n"), Refusal::kBodyTooLarge, 413, kPasses, {.body_bytes = 8});
  t.Refuse("chunk_size_wraps_the_limit", Chunked("1\r\nx\r\nFFFFFFFFFFFFFFFF\r\n"), Refusal::kBodyTooLarge, 413,
           kPasses);
  const std::pair<const char*, std::string> bad[] = {
      {"plus", "+5"},        {"minus", "-5"},    {"0x", "0x5"},       {"0X", "0X5"},         {"underscore", "0_5"},
      {"space_in_front", " 5"},                  {"space_behind", "5 "},                     {"tab_in_front", "\t5"},
      {"tab_behind", "5\t"}, {"empty", ""},      {"word", "five"},    {"space_inside", "1 0"},
      {"17_digits", "00000000000000005"},        {"overflow", "10000000000000005"},
      {"overflow_of_32_bits_no", "g"},           {"point", "5.0"},    {"h", "5h"},           {"comma", "5,5"},
      {"extension_only", ";a"},                  {"space_before_the_extension", "5 ;a"},     {"high_byte", "\xb5"},
      {"100_zeros", std::string(100, '0') + "5"},                     {"quoted", "\"5\""},   {"negative", "-1"},
      {"minus_zero", "-0"},
  };
  for (const auto& [name, value] : bad) {
    const bool passes = std::string_view(name) == "17_digits" || std::string_view(name) == "100_zeros";
    t.Refuse("chunk_size_"s + name, Chunked(value + "\r\nhello\r\n0\r\n\r\n"), Refusal::kChunkSize, 400, passes);
  }
  t.Refuse("chunk_size_nul", Chunked("5\0\r\nhello\r\n0\r\n\r\n"s), Refusal::kControlByte, 400);
  t.Refuse("chunk_size_bare_lf", Chunked("5\nhello\r\n0\r\n\r\n"), Refusal::kBareLf, 400);
  t.Refuse("chunk_size_bare_cr", Chunked("5\rhello\r\n0\r\n\r\n"), Refusal::kBareCr, 400);
  t.Refuse("chunk_size_two_crs", Chunked("5\r\r\nhello\r\n0\r\n\r\n"), Refusal::kBareCr, 400);
  t.Refuse("last_chunk_bare_lf", Chunked("0\n\r\n"), Refusal::kBareLf, 400);
  t.Refuse("last_chunk_bare_lfs", Chunked("0\n\n"), Refusal::kBareLf, 400);
  t.Refuse("message_ends_with_bare_lf", Chunked("0\r\n\n"), Refusal::kBareLf, 400, kPasses);
  t.Refuse("message_ends_with_bare_cr", Chunked("0\r\n\rX"), Refusal::kBareCr, 400);
  t.Refuse("no_crlf_behind_a_chunk", Chunked("5\r\nhello0\r\n\r\n"), Refusal::kChunkEnd, 400);
  t.Refuse("chunk_longer_than_its_size", Chunked("4\r\nhello\r\n0\r\n\r\n"), Refusal::kChunkEnd, 400);
  t.Refuse("lf_behind_a_chunk", Chunked("5\r\nhello\n0\r\n\r\n"), Refusal::kBareLf, 400);
  t.Refuse("cr_behind_a_chunk", Chunked("5\r\nhello\r0\r\n\r\n"), Refusal::kChunkEnd, 400);
  t.Refuse("two_bytes_behind_a_chunk", Chunked("5\r\nhelloXX0\r\n\r\n"), Refusal::kChunkEnd, 400);
  t.Refuse("extension_with_bare_lf", Chunked("1;a\nx\r\n0\r\n\r\n"), Refusal::kBareLf, 400);
  t.Refuse("extension_with_bare_lf_smuggles", Chunked("2;\nxx\r\n4c\r\n0\r\n\r\nGET /admin HTTP/1.1\r\n"),
           Refusal::kBareLf, 400);
  t.Refuse("extension_with_bare_cr", Chunked("1;a\rx\r\n0\r\n\r\n"), Refusal::kBareCr, 400);
  t.Refuse("extension_with_nul", Chunked("1;a\0\r\nx\r\n0\r\n\r\n"s), Refusal::kControlByte, 400);
  t.Refuse("extension_with_lf_in_quotes", Chunked("1;a=\"\n\"\r\nx\r\n0\r\n\r\n"), Refusal::kBareLf, 400);
  t.Refuse("extension_with_crlf_in_quotes", Chunked("1;a=\"\r\n\"\r\nx\r\n0\r\n\r\n"), Refusal::kChunkExtension, 400);
  // Lawful; llhttp does not know it, and nobody sends it.
  t.Refuse("extension_behind_a_value", Chunked("1;a=b;c\r\nx\r\n0\r\n\r\n"), Refusal::kChunkExtension, 400);
  t.Refuse("extension_empty", Chunked("1;\r\nx\r\n0\r\n\r\n"), Refusal::kChunkExtension, 400);
  t.Refuse("extension_is_no_token", Chunked("1;(\r\nx\r\n0\r\n\r\n"), Refusal::kChunkExtension, 400);
  t.Refuse("extension_over_the_limit", Chunked("1;" + std::string(256, 'a') + "\r\nx\r\n0\r\n\r\n"),
           Refusal::kChunkExtension, 400, kPasses);
  std::string extensions;
  for (int i = 0; i < 17; ++i) extensions += "1;" + std::string(250, 'a') + "\r\nx\r\n";
  t.Refuse("extensions_over_the_limit", Chunked(extensions + "0\r\n\r\n"), Refusal::kChunkExtension, 400, kPasses);
  t.Refuse("extension_of_the_last_chunk", Chunked("0;" + std::string(256, 'a') + "\r\n\r\n"), Refusal::kChunkExtension,
           400, kPasses);
  t.Refuse("trailer_bare_lf", Chunked("0\r\nA: b\n\r\n"), Refusal::kBareLf, 400);
  t.Refuse("trailer_bare_cr", Chunked("0\r\nA: b\rc\r\n\r\n"), Refusal::kBareCr, 400);
  t.Refuse("trailer_nul", Chunked("0\r\nA: \0\r\n\r\n"s), Refusal::kControlByte, 400);
  t.Refuse("trailer_obs_fold", Chunked("0\r\nA: b\r\n c\r\n\r\n"), Refusal::kObsFold, 400, kPasses);
  t.Refuse("trailer_space_before_the_colon", Chunked("0\r\nA : b\r\n\r\n"), Refusal::kSpaceBeforeColon, 400);
  t.Refuse("trailer_without_a_name", Chunked("0\r\n: b\r\n\r\n"), Refusal::kFieldName, 400, kPasses);
  t.Refuse("trailer_is_a_request", Chunked("0\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), Refusal::kSpaceBeforeColon, 400);
  t.Refuse("trailer_other_coding", Chunked("0\r\nTransfer-Encoding: gzip\r\n\r\n"), Refusal::kCoding, 400);
  t.Refuse("trailers_over_the_limit", Chunked("0\r\nA: " + std::string(34, 'x') + "\r\n\r\n"), Refusal::kFieldsTooLarge,
           431, kPasses, {.fields_bytes = 38});
  t.Accept("trailers_as_many_as_fields", Chunked("0\r\nA:\r\nB:\r\n\r\n"), head, {.fields = 2});
  t.Refuse("trailers_too_many", Chunked("0\r\nA:\r\nB:\r\nC:\r\n\r\n"), Refusal::kTooManyFields, 431, kPasses,
           {.fields = 2});
  t.Wait("chunk_not_complete", Chunked("5\r\nhel"));
}

void Meaning(Table& t) {
  t.Accept("close", Get("Connection: close\r\n"), "GET / 1.1\nHost=a\nConnection=close\n\n");
  t.Accept("close_other_case", Get("connection: CLOSE\r\n"), "GET / 1.1\nHost=a\nconnection=CLOSE\n\n");
  t.Accept("close_in_a_list", Get("Connection: a, close ,b\r\n"), "GET / 1.1\nHost=a\nConnection=a, close ,b\n\n");
  t.Accept("close_in_a_second_field", Get("Connection: keep-alive\r\nConnection: close\r\n"),
           "GET / 1.1\nHost=a\nConnection=keep-alive\nConnection=close\n\n");
  t.Accept("close_wins", Get("Connection: close, keep-alive\r\n"),
           "GET / 1.1\nHost=a\nConnection=close, keep-alive\n\n");
  t.Accept("closed_is_not_close", Get("Connection: closed\r\n"), "GET / 1.1 keep\nHost=a\nConnection=closed\n\n");
  t.Accept("keep_alive_in_1_0", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
           "GET / 1.0 keep\nConnection=keep-alive\n\n");
  t.Accept("keep_alive_in_1_0_other_case", "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
           "GET / 1.0 keep\nConnection=Keep-Alive\n\n");
  t.Accept("close_wins_in_1_0", "GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n",
           "GET / 1.0\nConnection=keep-alive, close\n\n");
  t.Accept("continue", Post("Expect: 100-continue\r\nContent-Length: 1\r\n", "x"),
           "POST / 1.1 keep length=1 continue\nHost=a\nExpect=100-continue\nContent-Length=1\n\nx");
  t.Accept("continue_other_case", Post("expect: 100-Continue\r\nContent-Length: 1\r\n", "x"),
           "POST / 1.1 keep length=1 continue\nHost=a\nexpect=100-Continue\nContent-Length=1\n\nx");
  t.Accept("continue_without_a_body", Get("Expect: 100-continue\r\n"),
           "GET / 1.1 keep\nHost=a\nExpect=100-continue\n\n");
  t.Accept("continue_in_1_0", "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
           "POST / 1.0 length=1\nExpect=100-continue\nContent-Length=1\n\nx");
  t.Accept("expectation_in_1_0", "GET / HTTP/1.0\r\nExpect: magic\r\n\r\n", "GET / 1.0\nExpect=magic\n\n");
  t.Refuse("expectation", Get("Expect: magic\r\n"), Refusal::kExpect, 417, kPasses);
  t.Refuse("expectation_empty", Get("Expect:\r\n"), Refusal::kExpect, 417, kPasses);
  t.Refuse("expectation_list", Get("Expect: 100-continue, magic\r\n"), Refusal::kExpect, 417, kPasses);
  t.Refuse("expectation_with_a_tail", Get("Expect: 100-continue;a=b\r\n"), Refusal::kExpect, 417, kPasses);
  t.Refuse("expectation_second", Get("Expect: 100-continue\r\nExpect: magic\r\n"), Refusal::kExpect, 417, kPasses);
  t.Accept("upgrade", Get("Connection: Upgrade\r\nUpgrade: websocket\r\n") + "\x81\x05",
           "GET / 1.1 keep upgrade\nHost=a\nConnection=Upgrade\nUpgrade=websocket\n\n");
  t.Accept("upgrade_in_a_list", Get("Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"),
           "GET / 1.1 keep upgrade\nHost=a\nUpgrade=websocket\nConnection=keep-alive, Upgrade\n\n");
  t.Accept("upgrade_without_connection", Get("Upgrade: websocket\r\n"),
           "GET / 1.1 keep\nHost=a\nUpgrade=websocket\n\n");
  t.Accept("upgrade_without_protocol", Get("Connection: upgrade\r\n"),
           "GET / 1.1 keep\nHost=a\nConnection=upgrade\n\n");
  t.Accept("upgrade_to_nothing", Get("Connection: upgrade\r\nUpgrade:\r\n"),
           "GET / 1.1 keep\nHost=a\nConnection=upgrade\nUpgrade=\n\n");
  t.Accept("upgrade_by_another_method", Post("Connection: upgrade\r\nUpgrade: h2c\r\n", ""),
           "POST / 1.1 keep\nHost=a\nConnection=upgrade\nUpgrade=h2c\n\n");
  t.Accept("upgrade_in_1_0", "GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
           "GET / 1.0\nConnection=upgrade\nUpgrade=websocket\n\n");
  t.Accept("upgrade_with_empty_body", Get("Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n"),
           "GET / 1.1 keep upgrade\nHost=a\nConnection=upgrade\nUpgrade=websocket\nContent-Length=0\n\n");
  t.Accept("upgrade_field_with_body", Post("Upgrade: h2c\r\nContent-Length: 1\r\n", "x"),
           "POST / 1.1 keep length=1\nHost=a\nUpgrade=h2c\nContent-Length=1\n\nx");
  t.Accept("upgrade_in_1_0_with_body",
           "POST / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 1\r\n\r\nx",
           "POST / 1.0 length=1\nConnection=upgrade\nUpgrade=h2c\nContent-Length=1\n\nx");
  t.Refuse("upgrade_with_length", Get("Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n") + "x",
           Refusal::kUpgradeBody, 400, kPasses);
  t.Refuse("upgrade_chunked",
           Post("Connection: upgrade\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\r\n", "1\r\nx\r\n0\r\n\r\n"),
           Refusal::kUpgradeBody, 400, kPasses);
}

void Sizes(Table& t) {
  const RequestParser::Limits line{.request_line_bytes = 20};
  t.Accept("line_at_the_limit", Line("GET /234567 HTTP/1.1"), "GET /234567 1.1 keep\nHost=a\n\n", line);
  t.Refuse("line_over_the_limit", Line("GET /2345678 HTTP/1.1"), Refusal::kRequestLineTooLong, 414, kPasses, line);
  t.Wait("target_at_the_limit", "GET /234567890123456", line);
  t.Refuse("target_over_the_limit", "GET /2345678901234567", Refusal::kRequestLineTooLong, 414, kPasses, line);
  t.Refuse("method_over_the_limit", std::string(21, 'G'), Refusal::kRequestLineTooLong, 414, false, line);
  t.Refuse("line_over_8_kib", Line("GET /" + std::string(8192, 'a') + " HTTP/1.1"), Refusal::kRequestLineTooLong, 414,
           kPasses);
  t.Accept("line_of_8_kib", Line("GET /" + std::string(8192 - 14, 'a') + " HTTP/1.1"),
           "GET /" + std::string(8192 - 14, 'a') + " 1.1 keep\nHost=a\n\n");
  t.Accept("empty_lines_do_not_count", "\r\n\r\n" + Line("GET /234567 HTTP/1.1"), "GET /234567 1.1 keep\nHost=a\n\n",
           line);
  const RequestParser::Limits fields{.fields_bytes = 17};  // Host: a is 9
  t.Accept("fields_at_the_limit", Get("A: bcd\r\n"), "GET / 1.1 keep\nHost=a\nA=bcd\n\n", fields);
  t.Refuse("fields_over_the_limit", Get("A: bcde\r\n"), Refusal::kFieldsTooLarge, 431, kPasses, fields);
  t.Refuse("fields_over_by_a_line", Get("A: bcd\r\nB:\r\n"), Refusal::kFieldsTooLarge, 431, kPasses, fields);
  t.Wait("value_at_the_limit", "GET / HTTP/1.1\r\nHost: a\r\nA: bcdef", fields);
  t.Refuse("fields_over_the_limit_and_their_number", Get("A: bcd\r\nB:\r\n"), Refusal::kFieldsTooLarge, 431, kPasses,
           {.fields_bytes = 17, .fields = 2});
  t.Refuse("value_over_the_limit", "GET / HTTP/1.1\r\nHost: a\r\nA: bcdefg", Refusal::kFieldsTooLarge, 431, kPasses,
           fields);
  t.Refuse("name_over_the_limit", "GET / HTTP/1.1\r\nHost: a\r\nABCDEFGHI", Refusal::kFieldsTooLarge, 431, kPasses,
           fields);
  t.Refuse("cr_over_the_limit", "GET / HTTP/1.1\r\nHost: a\r\nA: bcdef\r", Refusal::kFieldsTooLarge, 431, kPasses,
           fields);
  t.Refuse("lf_over_the_limit", "GET / HTTP/1.1\r\nHost: a\r\nA: bcde\r\n", Refusal::kFieldsTooLarge, 431, kPasses,
           fields);
  t.Refuse("fields_over_16_kib", Get("A: " + std::string(16 << 10, 'x') + "\r\n"), Refusal::kFieldsTooLarge, 431,
           kPasses);
  t.Accept("fields_of_16_kib", Get("A: " + std::string((16 << 10) - 9 - 5, 'x') + "\r\n"),
           "GET / 1.1 keep\nHost=a\nA=" + std::string((16 << 10) - 9 - 5, 'x') + "\n\n");
  std::string lines;
  std::string names;
  for (int i = 0; i < 99; ++i) {
    lines += "A: b\r\n";
    names += "\nA=b";
  }
  t.Accept("fields_100", Get(lines), "GET / 1.1 keep\nHost=a" + names + "\n\n");
  t.Refuse("fields_101", Get(lines + "A: b\r\n"), Refusal::kTooManyFields, 431, kPasses);
  t.Refuse("fields_101_not_ended", "GET / HTTP/1.1\r\nHost: a\r\n" + lines + "A", Refusal::kTooManyFields, 431,
           kPasses);
}

void Several(Table& t) {
  // The first in the order of bytes.
  t.Refuse("method_before_a_bad_field", "BREW / HTTP/1.1\r\nA : b\r\n\r\n", Refusal::kMethod, 400);
  t.Refuse("target_form_before_a_bad_field", "GET * HTTP/1.1\r\nA : b\r\n\r\n", Refusal::kTarget, 400);
  t.Refuse("target_before_the_version", "GET /\x80 HTTP/3.0\r\n\r\n", Refusal::kTarget, 400);
  t.Refuse("version_before_the_target_form", Line("GET * HTTP/3.0"), Refusal::kVersion, 505);
  t.Refuse("fold_before_lengths", Post("A: b\r\n c\r\nContent-Length: 1\r\nContent-Length: 1\r\n", ""),
           Refusal::kObsFold, 400);
  t.Refuse("bad_line_before_the_rules", Post("Content-Length: 1\r\nContent-Length: 1\r\nA : b\r\n", ""),
           Refusal::kSpaceBeforeColon, 400);
  t.Refuse("framing_before_host", "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
           Refusal::kLengthRepeated, 400);
  t.Refuse("host_before_expect", "GET / HTTP/1.1\r\nExpect: magic\r\n\r\n", Refusal::kHost, 400, kPasses);
  t.Refuse("expect_before_upgrade",
           Get("Expect: magic\r\nConnection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 1\r\n") + "x", Refusal::kExpect,
           417, kPasses);
  t.Refuse("rules_before_the_body_limit", "POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", Refusal::kHost, 400,
           kPasses);
  t.Refuse("chunk_extension_before_the_body_limit", Chunked("FFFFFF;(\r\n"), Refusal::kChunkExtension, 400);
}

}  // namespace

const std::vector<RequestCase>& RequestCases() {
  static const std::vector<RequestCase> cases = [] {
    Table table;
    RequestLines(table);
    Targets(table);
    FieldLines(table);
    Hosts(table);
    Framing(table);
    Chunks(table);
    Meaning(table);
    Sizes(table);
    Several(table);
    return std::move(table.cases);
  }();
  return cases;
}

}  // namespace mooring::server::http
