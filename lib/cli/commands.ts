import { check } from './check.js'
import type { Command } from './command.js'
import { demo } from './demo.js'
import { explain } from './explain.js'
import { listCommands } from './listing.js'
import { ruleset } from './ruleset.js'
import { run } from './run.js'

/** All commands, in the order of `cthelper --help`. */
export const commands: readonly Command[] = [run, check, ...listCommands, explain, ruleset, demo]
