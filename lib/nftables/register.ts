/**
 * nf_tables' registers: 64 bytes, addressed in words of four (NFT_REG32_00 is 8) or of sixteen (NFT_REG_1 is 1, NFT_REG_VERDICT 0).
 * Words here count from 0. Like nft, the sixteen-byte number is used wherever one begins, which is also how the kernel lists it.
 */
export function register(word: number): number {
  return word % 4 === 0 ? 1 + word / 4 : 8 + word
}

/** Words that `length` bytes take. */
export function words(length: number): number {
  return (length + 3) >> 2
}

export const VERDICT_REGISTER = 0
