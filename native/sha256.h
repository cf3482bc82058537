// SHA-256 through OpenSSL's EVP, which picks the CPU's SHA instructions.
#pragma once

#include <openssl/evp.h>

#include <memory>
#include <string>

#include "files.h"

namespace slipway {

class Sha256 {
 public:
  Sha256();
  void update(Bytes bytes);
  // Lower-case hex. The object is of no use afterwards.
  std::string hex();
  // As OCI writes it: `sha256:<hex>`.
  std::string digest() { return "sha256:" + hex(); }

 private:
  std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context_;
};

}  // namespace slipway
