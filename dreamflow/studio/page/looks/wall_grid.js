// The grid of a wall's tiles: tells which of them are on the screen, so that these come first.
const QUIET_MS = 80; // without another change, until it is told

export default {
  template: `<div class="wall"><slot></slot></div>`,
  mounted() {
    this.seen = new Set();
    this.onScreen = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries)
        isIntersecting ? this.seen.add(target) : this.seen.delete(target);
      clearTimeout(this.timer);
      this.timer = setTimeout(this.tell, QUIET_MS);
    });
    this.ofTiles = new MutationObserver(this.follow);
    this.ofTiles.observe(this.$el, { childList: true });
    this.follow();
  },
  beforeUnmount() {
    this.onScreen.disconnect();
    this.ofTiles.disconnect();
    clearTimeout(this.timer);
  },
  methods: {
    follow() {
      this.onScreen.disconnect();
      this.seen.clear();
      for (const tile of this.$el.children) this.onScreen.observe(tile);
    },
    tell() {
      const places = [...this.$el.children].flatMap((tile, n) => (this.seen.has(tile) ? [n] : []));
      if (places.length) this.$emit("visible", { places });
    },
  },
};
