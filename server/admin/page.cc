// SPDX-License-Identifier: Apache-2.0
#include "server/admin/page.h"

#include "server/admin/page_content.inc"

namespace mooring::server::admin {
namespace {

constexpr PageFile kFiles[] = {
    {"/", "text/html; charset=utf-8", kPageHtml},
    {"/admin.css", "text/css; charset=utf-8", kPageCss},
    {"/admin.js", "text/javascript; charset=utf-8", kPageJs},
};

}  // namespace

std::span<const PageFile> PageFiles() { return kFiles; }

}  // namespace mooring::server::admin
