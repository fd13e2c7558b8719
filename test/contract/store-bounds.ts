/** Small, so that they are reached soon; options of every store. */
export const BOUNDS = { maxMarks: 30, auditLength: 50 };
