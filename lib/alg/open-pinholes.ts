import type { Conntrack } from '../conntrack/index.js'
import type { Nftables } from '../nftables/index.js'
import { type Carrier, type CarrierNeeds, requireCarrier, type Translation } from './carrier.js'
import { Pinholes } from './pinholes.js'
import { TranslationMaps } from './translation-maps.js'
import type { Undo } from './undo.js'

export interface OpenPinholesOptions extends CarrierNeeds {
  readonly conntrack: Conntrack
  readonly nftables: Nftables
  /** Name of the table that is going to be installed, family inet. */
  readonly table: string
  /** Conntrack zone of what is let in. Default 0. */
  readonly zone?: number
  readonly undo: Undo
}

export interface OpenedPinholes {
  readonly carrier: Carrier
  readonly translation: Translation
  /** Where maps translate: they are in the table, and to be installed with it. */
  readonly maps: TranslationMaps | undefined
  readonly pinholes: Pinholes
}

/** Pinholes as this kernel can have them. Throws like `requireCarrier`. */
export async function openPinholes(options: OpenPinholesOptions): Promise<OpenedPinholes> {
  const { conntrack: kernel, nftables: store, table, zone = 0, leaseSec, undo } = options
  const { carrier, translation } = await requireCarrier(kernel, options, undo)
  const maps = translation === 'maps' ? new TranslationMaps({ kernel, store, table, zone, leaseSec }) : undefined
  const translator = maps ? 'maps' : 'function'
  const pinholes = new Pinholes({ kernel: maps ?? kernel, carrier, translator, leaseSec })
  return { carrier, translation, maps, pinholes }
}
