import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import type { NativeAddon } from '../../types/native.js'
import { CthelperError } from './errors.js'

const packageRoot = fileURLToPath(new URL('../..', import.meta.url))
let loaded: NativeAddon | undefined

/**
 * The addon (native/), loaded once on first use: a local build (`npm run addon`) if there is one, else the prebuilt one of this
 * platform. Works from lib/ and dist/ alike. Throws ERR_ADDON, saying what to do, where it cannot be loaded.
 */
export function nativeAddon(): NativeAddon {
  loaded ??= load(packageRoot)
  return loaded
}

/** Loads the addon of the package at `root`. Separate from `nativeAddon` for tests of the failure. */
export function load(root: string): NativeAddon {
  try {
    const require = createRequire(import.meta.url)
    const build = require('node-gyp-build') as (directory: string) => NativeAddon
    const addon = build(root)
    // Made from older sources, it would fail in the middle of something.
    if (!addon.openRaw) throw new Error('it is older than this library')
    return addon
  } catch (cause) {
    const message = `cannot load the native addon for ${process.platform}-${process.arch}: run \`npm run addon\` in ${root}`
    throw new CthelperError('ERR_ADDON', 'load addon', message, { cause })
  }
}
