/** Calls and registrations: pure decisions about SIP messages. No I/O, no clock. */
export { isPrivate } from './address-policy.js'
export { type BudgetName, type BudgetRow, type Budgets, budgetsOf, budgetTable } from './budget.table.js'
export { Engine, type EngineOptions } from './engine.js'
export { LocalStream, Path, type PathOwner } from './media.js'
export { mergeEdits } from './merge-edits.js'
export type { CallEvent, HeldCall, Plan } from './plan.js'
export { Ports } from './ports.js'
export type { Callers } from './registration-records.js'
