import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { OnMessage } from '../../types/script.js'
import { messageOf, usage } from './failure.js'

/** The default export of an ES module of the user's. Throws `Failure` (2) when it cannot be loaded, or is no function. */
export async function loadScript(file: string): Promise<OnMessage> {
  let loaded: { readonly default?: unknown }
  try {
    loaded = (await import(pathToFileURL(resolve(file)).href)) as typeof loaded
  } catch (error) {
    throw usage(`--script: cannot load ${file}: ${messageOf(error)}`)
  }
  if (typeof loaded.default === 'function') return loaded.default as OnMessage
  throw usage(`--script: the default export of ${file} is no function (message, context) => void`)
}
