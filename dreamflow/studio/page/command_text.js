// A command line: it wraps between words, and within those that are too long, but not after the
// hyphens of a flag.
export default {
  template: `<div class="mono command"><template v-for="(word, n) in words">{{ n ? " " : "" }}<span
    :class="{ flag: word.startsWith('-') }">{{ word }}</span></template></div>`,
  props: { text: String },
  computed: { words() { return this.text.split(" "); } },
};
