// SPDX-License-Identifier: Apache-2.0
#include "server/server.h"
#include "server/services.h"

int main(int argc, char** argv) { return mooring::server::Server(mooring::server::Mooringd(), argc, argv).Run(); }
