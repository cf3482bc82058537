#include "sha256.h"

#include "fault.h"

namespace slipway {

Sha256::Sha256() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
  // The algorithm is looked up once: with OpenSSL 3 that costs more than hashing a small file.
  static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  if (!context_ || algorithm == nullptr || EVP_DigestInit_ex(context_.get(), algorithm, nullptr) != 1) {
    throw Fault("EIO", "OpenSSL offers no SHA-256");
  }
}

void Sha256::update(Bytes bytes) {
  if (EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) != 1) throw Fault("EIO", "SHA-256 failed");
}

std::string Sha256::hex() {
  unsigned char raw[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (EVP_DigestFinal_ex(context_.get(), raw, &size) != 1) throw Fault("EIO", "SHA-256 failed");
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(size * 2);
  for (unsigned int i = 0; i < size; i++) {
    text.push_back(kDigits[raw[i] >> 4]);
    text.push_back(kDigits[raw[i] & 15]);
  }
  return text;
}

}  // namespace slipway
