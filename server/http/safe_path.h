// SPDX-License-Identifier: Apache-2.0
// Safe paths: what a request's path may be of a folder's, before any system call is asked.
//
// The kernel keeps a path beneath its root (core/files.h); here is refused what the kernel would find there and nobody
// is meant to see, and what two readers could read differently.
//
// Threads:  none; functions.
#ifndef MOORING_SERVER_HTTP_SAFE_PATH_H_
#define MOORING_SERVER_HTTP_SAFE_PATH_H_

#include <optional>
#include <string>
#include <string_view>

namespace mooring::server::http {

// `raw`, a path as it was sent, decoded once and without slashes in front or twice in a row; one at its end stays, and
// the root is empty. None for what finds nothing: a '%' without two digits, an encoded slash or NUL, a component that
// begins with a dot (".", ".." and ".git" alike, encoded or not), a component longer than a name can be. A backslash is
// a byte like others.
std::optional<std::string> SafePath(std::string_view raw);

// Where a look-up among safe paths may try `raw` as it is: without its first slash, if nothing in it is encoded. None
// else. It is no safe path until it has been found.
std::optional<std::string_view> VerbatimPath(std::string_view raw);

// `raw` as the path of a Location with a slash at its end: slashes in a row are one, so that no browser takes "//host/"
// for another server, and what has no place in a path is encoded (a browser takes "\" for a slash too).
std::string LocationOfFolder(std::string_view raw);

}  // namespace mooring::server::http

#endif  // MOORING_SERVER_HTTP_SAFE_PATH_H_
