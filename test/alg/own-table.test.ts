import t from 'tap'
import { installOwnTable } from '../../lib/alg/own-table.js'
import { Undo } from '../../lib/alg/undo.js'
import type { Nftables, NftablesEventOptions } from '../../lib/nftables/index.js'
import type { Table } from '../../types/nftables.js'

const table: Table = { family: 'inet', name: 'example', chains: [] }
const change = (removed: number, elementsRemoved = 0) => ({
  generation: 7,
  processId: 1,
  processName: 'nft',
  tables: [{ family: 'inet', name: 'example', added: 0, removed, elementsRemoved, tableRemoved: false }],
})

/** A table kept in a ruleset whose news do what the test wants. */
async function kept(onInstall: (world: { tell: NftablesEventOptions; isThere: boolean; installed: number }) => void) {
  const world = { tell: undefined as unknown as NftablesEventOptions, isThere: false, installed: 0, repaired: 0 }
  const undo = new Undo()
  const nftables = {
    install: async () => {
      world.installed++
      world.isThere = true
      if (world.tell) onInstall(world)
    },
    has: async () => world.isThere,
    remove: async () => true,
    events: (options: NftablesEventOptions) => {
      world.tell = options
      return { close: () => undefined }
    },
  }
  await installOwnTable({
    nftables: nftables as unknown as Nftables,
    table: () => table,
    maps: undefined,
    undo,
    onRepair: () => void world.repaired++,
    onError: t.error,
  })
  t.teardown(() => undo.unwind())
  return world
}

const later = () => new Promise((resolve) => setTimeout(resolve, 2500))

t.test('what others take is put back; elements are theirs to take', async (t) => {
  const world = await kept(() => undefined)
  world.tell.onChange(change(3, 3))
  await later()
  t.equal(world.installed, 1)
  world.tell.onChange(change(4, 3))
  await later()
  t.match(world, { installed: 2, repaired: 1 })
})

t.test('news of its own installation that are more than the socket holds are no reason for another', async (t) => {
  const world = await kept(({ tell }) => tell.onOverrun())
  world.tell.onOverrun()
  await later()
  t.match(world, { installed: 2, repaired: 1 })
  world.tell.onOverrun()
  await later()
  t.match(world, { installed: 3, repaired: 2 }, 'what is lost at other times is')
})

t.test('unless somebody has taken it meanwhile', async (t) => {
  const world = await kept((world) => {
    world.tell.onOverrun()
    world.isThere = world.installed > 2
  })
  world.tell.onOverrun()
  await later()
  t.equal(world.installed, 3)
})
