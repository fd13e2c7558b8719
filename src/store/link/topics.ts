/** What a worker follows: each sandbox, and the lobby, is one topic on the link, however many listen to it here. */
import type { Unsubscribe } from "../store.ts";
import type { ToWorker } from "./messages.ts";

export type Told = Exclude<ToWorker, { kind: "answer" | "refusal" }>;
export type TopicListener = (message: Told) => void;

export interface TopicsLink {
  /** Resolves once everything later is told. */
  subscribe(topic: number, sandboxId: string | undefined): Promise<void>;
  unsubscribe(topic: number): void;
}

interface Topic {
  /** Never used again, so that what is still under way for an earlier one reaches nobody. */
  readonly number: number;
  /** Each has its own, also when one listens twice. */
  readonly listeners: Set<{ readonly tell: TopicListener }>;
  readonly ready: Promise<void>;
}

export class Topics {
  readonly #link: TopicsLink;
  readonly #bySandbox = new Map<string | undefined, Topic>();
  readonly #byNumber = new Map<number, Topic>();
  #numbers = 0;

  constructor(link: TopicsLink) {
    this.#link = link;
  }

  /**
   * @param sandboxId undefined: the lobby
   * @throws what `subscribe` rejects with
   */
  async add(sandboxId: string | undefined, tell: TopicListener): Promise<Unsubscribe> {
    const topic = this.#bySandbox.get(sandboxId) ?? this.#begin(sandboxId);
    const listener = { tell };
    topic.listeners.add(listener);
    const remove = (): void => {
      if (topic.listeners.delete(listener) && topic.listeners.size === 0) this.#stop(sandboxId, topic);
    };
    try {
      await topic.ready;
      return remove;
    } catch (error) {
      // Nobody may join one that the other end perhaps does not have.
      if (this.#bySandbox.get(sandboxId) === topic) this.#bySandbox.delete(sandboxId);
      remove();
      throw error;
    }
  }

  tell(message: Told): void {
    if (message.kind === "lost") {
      // Whoever is told may subscribe anew, and has lost nothing then.
      const topics = [...this.#byNumber.values()];
      for (const topic of topics) tellAll(topic, message);
      return;
    }
    const topic = this.#byNumber.get(message.topic);
    if (topic) tellAll(topic, message);
  }

  clear(): void {
    for (const topic of this.#byNumber.values()) topic.listeners.clear();
    this.#byNumber.clear();
    this.#bySandbox.clear();
  }

  #begin(sandboxId: string | undefined): Topic {
    this.#numbers += 1;
    const number = this.#numbers;
    const topic: Topic = { number, listeners: new Set(), ready: this.#link.subscribe(number, sandboxId) };
    this.#byNumber.set(number, topic);
    this.#bySandbox.set(sandboxId, topic);
    return topic;
  }

  #stop(sandboxId: string | undefined, topic: Topic): void {
    if (!this.#byNumber.delete(topic.number)) return;
    if (this.#bySandbox.get(sandboxId) === topic) this.#bySandbox.delete(sandboxId);
    this.#link.unsubscribe(topic.number);
  }
}

function tellAll({ listeners }: Topic, message: Told): void {
  const told = [...listeners];
  for (const listener of told) if (listeners.has(listener)) listener.tell(message);
}
