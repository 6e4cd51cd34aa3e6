// SPDX-License-Identifier: Apache-2.0
// PageFiles: the page of the admin interface: what is in server/admin/page, built in.
//
// Threads:  constant.
#ifndef MOORING_SERVER_ADMIN_PAGE_H_
#define MOORING_SERVER_ADMIN_PAGE_H_

#include <span>
#include <string_view>

namespace mooring::server::admin {

struct PageFile {
  std::string_view path;  // of its URL
  std::string_view type;
  std::string_view content;
};
std::span<const PageFile> PageFiles();

}  // namespace mooring::server::admin

#endif  // MOORING_SERVER_ADMIN_PAGE_H_
