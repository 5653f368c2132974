/**
 * Objects and arrays within each other that a configuration may have. The deepest thing in the specification is 8 deep;
 * extensions may go deeper, but 128 keeps every recursion over a document far from the end of QuickJS's stack (256 kB),
 * so that both engines refuse alike.
 */
export const deepestNesting = 128;
