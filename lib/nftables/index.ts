/** `cthelper/nftables`: tables, chains, rules, sets and maps of nf_tables, from Node to the kernel without the `nft` command. */
export type {
  Chain,
  CtState,
  CtStatus,
  ElementChange,
  Expression,
  NamedSet,
  PacketField,
  QueueStyle,
  Rule,
  RuleCounter,
  RulesetChange,
  SetElement,
  SetType,
  SetValue,
  Table,
  TableChange,
  TableFamily,
  TableListing,
} from '../../types/nftables.js'
export { CONE_TABLE, type ConeTableOptions, coneTable } from './cone-table.js'
export { type FollowTableOptions, followTable } from './follow-table.js'
export { type MusicStream, type MusicTableOptions, musicElements, musicTable } from './music-table.js'
export { Nftables, type NftablesEventOptions, type NftablesOptions, openNftables } from './nftables.js'
export type { ListedElement } from './reader.js'
export { SIP_TABLE, type SipTableOptions, sipTable, strayMedia } from './sip-table.js'
export {
  type FlowTranslation,
  type TranslationElement,
  type TranslationTableOptions,
  translationElement,
  translationMaps,
  translationTable,
  withTranslation,
} from './translation-table.js'
